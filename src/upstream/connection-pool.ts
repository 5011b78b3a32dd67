// The open connections, by origin: idle ones are reused newest first, and no origin gets more than its limit.

import { UpstreamFailure } from '../errors.ts';
import { type Connection, IDLE_MS } from './connection.ts';
import { crowdedFailure } from './failures.ts';

interface Origin {
  /** Connections that are open or being opened. */
  open: number;
  /** Oldest first. */
  readonly idle: Connection[];
  /** Requests that wait for a place, in order. */
  readonly waiting: Set<() => void>;
}

export interface PoolStatus {
  readonly origin: string;
  readonly open: number;
  readonly idle: number;
  readonly waiting: number;
}

export class ConnectionPool {
  readonly #now: () => number;
  readonly #limit: number;
  readonly #origins = new Map<string, Origin>();
  readonly #all = new Set<Connection>();
  #closed = false;

  constructor(options: { readonly now: () => number; readonly connectionsPerOrigin: number }) {
    this.#now = options.now;
    this.#limit = options.connectionsPerOrigin;
  }

  /** An idle connection to one of `sources`, the first that has any; it is the caller's until it is released. */
  takeIdle(origin: string, sources: readonly string[]): Connection | undefined {
    const held = this.#origins.get(origin);
    if (held === undefined || held.idle.length === 0) return undefined;
    const oldest = this.#now() - IDLE_MS;
    for (const source of sources) {
      for (let i = held.idle.length - 1; i >= 0; i--) {
        const connection = held.idle[i]!;
        if (connection.source !== source) continue;
        held.idle.splice(i, 1);
        if (connection.isOpen && connection.idleSince > oldest) return connection;
        connection.destroy();
      }
    }
    return undefined;
  }

  /**
   * Waits until a connection may be opened, or one has become idle: the caller looks again. Resolves true when the
   * place is taken; it is given back by `failed`, or by the end of the connection that was passed to `opened`. Rejects
   * with UpstreamFailure: `crowded` when the signal ends the wait in its turn, which says nothing of the server.
   */
  async reserve(origin: string, signal: AbortSignal): Promise<boolean> {
    const held = this.#held(origin);
    if (held.open < this.#limit) {
      held.open += 1;
      return true;
    }
    // A connection that is idle but of no use to the caller makes room.
    const idle = held.idle.shift();
    if (idle !== undefined) idle.destroy();
    await this.#turn(origin, held, signal);
    return false;
  }

  /** The reserved place could not be used. */
  failed(origin: string): void {
    this.#leave(origin);
  }

  /** The reserved place is this connection's until it closes. */
  opened(origin: string, connection: Connection): void {
    this.#all.add(connection);
    connection.onClosed(() => {
      this.#all.delete(connection);
      const idle = this.#held(origin).idle;
      const place = idle.indexOf(connection);
      if (place >= 0) idle.splice(place, 1);
      this.#leave(origin);
    });
    if (this.#closed) connection.destroy();
  }

  /** The answer is complete and the connection still open: others may use it. */
  release(origin: string, connection: Connection): void {
    const held = this.#held(origin);
    connection.idleSince = this.#now();
    held.idle.push(connection);
    wakeFirst(held);
  }

  status(): PoolStatus[] {
    return [...this.#origins].map(([origin, { open, idle, waiting }]) => ({
      origin,
      open,
      idle: idle.length,
      waiting: waiting.size,
    }));
  }

  /** Closes every connection, those in use too; resolves when their sockets are closed. */
  async close(): Promise<void> {
    this.#closed = true;
    const closed = [...this.#all].map((connection) => new Promise<void>((done) => connection.onClosed(done)));
    for (const connection of this.#all) connection.destroy();
    await Promise.all(closed);
  }

  #held(origin: string): Origin {
    const known = this.#origins.get(origin);
    if (known !== undefined) return known;
    const held: Origin = { open: 0, idle: [], waiting: new Set() };
    this.#origins.set(origin, held);
    return held;
  }

  #leave(origin: string): void {
    const held = this.#held(origin);
    held.open -= 1;
    wakeFirst(held);
    if (held.open === 0 && held.waiting.size === 0) this.#origins.delete(origin);
  }

  #turn(origin: string, held: Origin, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const wake = (): void => {
        held.waiting.delete(wake);
        signal.removeEventListener('abort', giveUp);
        resolve();
      };
      const giveUp = (): void => {
        held.waiting.delete(wake);
        const { reason } = signal;
        const isLate = reason instanceof UpstreamFailure && reason.kind === 'timeout';
        reject(isLate ? crowdedFailure(new URL(origin).host) : reason);
      };
      held.waiting.add(wake);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  }
}

function wakeFirst(held: Origin): void {
  const [first] = held.waiting;
  first?.();
}
