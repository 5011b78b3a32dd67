// Dials the addresses of one host in order; one that fails is followed by the next at once, one that hangs is raced by
// the next (RFC 8305, but the handshake of TLS belongs to the race too). The first usable socket wins.

import type { Socket } from 'node:net';
import { UpstreamFailure } from '../core/errors.ts';
import type { AddressBook, ReportAddress } from './addresses.ts';
import { toUpstreamFailure } from './failures.ts';

/** A socket that won; who uses it tells `report` how the exchange over it began. */
export interface Dialled {
  readonly socket: Socket;
  readonly source: string;
  readonly report: ReportAddress;
}

/** Times of dialling, in milliseconds. */
export interface DialOptions {
  readonly addresses: AddressBook;
  /** One address gets that long, TCP, tunnel and TLS together. */
  readonly connectTimeoutMs: number;
  /** An address that is not connected by then is raced by the next one. */
  readonly raceAfterMs: number;
}

interface Attempt {
  readonly source: string;
  readonly report: ReportAddress;
  readonly control: AbortController;
}

/**
 * The first of `sources` (in the order to try them, not empty) that `open` can open. Throws the most telling
 * UpstreamFailure when none can, or the signal's reason. All other sockets are closed again.
 */
export function dial(
  sources: readonly string[],
  open: (source: string, signal: AbortSignal) => Promise<Socket>,
  signal: AbortSignal,
  options: DialOptions,
): Promise<Dialled> {
  const { promise, resolve, reject } = Promise.withResolvers<Dialled>();
  const running: Attempt[] = [];
  let next = 0;
  let failure: UpstreamFailure | undefined;
  let race: NodeJS.Timeout | undefined;
  let settled = false;

  const settle = (winner?: Attempt): void => {
    settled = true;
    clearTimeout(race);
    signal.removeEventListener('abort', giveUp);
    const winnersPlace = winner === undefined ? 0 : running.indexOf(winner);
    for (const [place, attempt] of running.entries()) {
      if (attempt === winner) continue;
      // Whoever started before the winner had its chance and let it pass; later ones never had it.
      attempt.report(place < winnersPlace ? 'bad' : 'unknown');
      attempt.control.abort(new UpstreamFailure('aborted', 'another address was faster'));
    }
  };
  const giveUp = (): void => {
    settle();
    reject(signal.reason);
  };

  const startNext = (): void => {
    clearTimeout(race);
    const source = sources[next];
    if (source === undefined) {
      if (running.length > 0) return;
      settle();
      reject(failure);
      return;
    }
    next += 1;
    const attempt: Attempt = { source, report: options.addresses.begin(source), control: new AbortController() };
    running.push(attempt);
    const deadline = setTimeout(() => {
      const seconds = options.connectTimeoutMs / 1000;
      attempt.control.abort(new UpstreamFailure('connect', `${source}: no connection within ${seconds} s`));
    }, options.connectTimeoutMs);
    if (next < sources.length) race = setTimeout(startNext, options.raceAfterMs);
    open(source, attempt.control.signal)
      .then(
        (socket) => {
          if (settled) {
            socket.destroy();
            return;
          }
          settle(attempt);
          resolve({ socket, source, report: attempt.report });
        },
        (error: unknown) => {
          if (settled) return;
          running.splice(running.indexOf(attempt), 1);
          attempt.report('bad');
          const latest = toUpstreamFailure(error, 'connect', source);
          // A bad certificate says more than a refused connection beside it.
          if (failure?.kind !== 'tls') failure = latest;
          startNext();
        },
      )
      .finally(() => clearTimeout(deadline));
  };

  signal.addEventListener('abort', giveUp);
  if (signal.aborted) giveUp();
  else startNext();
  return promise;
}
