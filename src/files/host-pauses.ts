// Hosts of files that answered 429 are left alone for as long as they asked (RFC 6585 4): one that counts our requests
// would only count on. Files and their metadata are two kinds: a pause for the one keeps the other going.

import { UpstreamFailure } from '../core/errors.ts';
import type { ResponseHead } from '../core/http-message.ts';
import { requestedPause } from '../http-semantics/retry-after.ts';

/** The clock in milliseconds since the epoch, and the spread of a pause, in [0, 1). */
export interface HostPausesOptions {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** In [0, 1): jitter. */
  readonly random: () => number;
}

/** Files and metadata pause apart: trouble with one is no trouble with the other. */
export type FileKind = 'file' | 'metadata';

/** Leaves a file host alone for as long as it asked to be (429 and 503 with Retry-After). */
export class HostPauses {
  readonly #options: HostPausesOptions;
  readonly #until = new Map<string, number>();

  constructor(options: HostPausesOptions) {
    this.#options = options;
  }

  /** Throws UpstreamFailure 'rate-limited' while the URL's host wants to be left alone about this kind. */
  requireNone(kind: FileKind, url: string): void {
    const { host } = new URL(url);
    const pauseMs = (this.#until.get(`${kind} ${host}`) ?? 0) - this.#options.now();
    if (pauseMs > 0) throw rateLimited(host, pauseMs);
  }

  /** Notes the pause that the answer asks for. Throws UpstreamFailure 'rate-limited' when it does. */
  heed(kind: FileKind, url: string, answer: ResponseHead): void {
    if (answer.status !== 429) return;
    const { now, random } = this.#options;
    const pauseMs = requestedPause(answer, now(), random()) ?? 0;
    const { host } = new URL(url);
    for (const [known, until] of this.#until) if (until <= now()) this.#until.delete(known);
    this.#until.set(`${kind} ${host}`, now() + pauseMs);
    throw rateLimited(host, pauseMs);
  }
}

function rateLimited(host: string, pauseMs: number): UpstreamFailure {
  return new UpstreamFailure('rate-limited', `${host} answered 429: it wants to be left alone for a while`, {
    upstreamStatus: 429,
    pauseMs,
  });
}
