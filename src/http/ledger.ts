// What is noted of every request: the metrics and the access log. Finished requests are put down in a few words and
// accounted for together, a few times a second: the same work one by one, between two system calls each, costs a hot
// request several times as much.

import type { ClientAddress } from '../access/client-address.ts';
import type { AccessRecord } from '../observe/access-log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Exchange } from './exchange.ts';

/** Whom the ledger tells of each request. */
export interface LedgerOptions {
  readonly metrics: Metrics;
  readonly access: ((record: AccessRecord) => void) | undefined;
  readonly now: () => number;
  readonly addresses: ClientAddress;
}

const SETTLE_MS = 100;
const SETTLE_COUNT = 128;

/** Notes every finished request, in batches. */
export class Ledger {
  readonly #options: LedgerOptions;
  #open: AccessRecord[] = [];
  #timer: NodeJS.Timeout | undefined;
  #requests = 0;

  constructor(options: LedgerOptions) {
    this.#options = options;
  }

  /** Notes a request whose answer has ended, or whose client has left. */
  note(exchange: Exchange): void {
    const { request, response, target, user, kind, outcome, bytes, startedAt, firstByteAt } = exchange;
    const endedAt = performance.now();
    if (!response.writableFinished) this.#options.metrics.meters.clientAborts.inc({ kind });
    this.#open.push({
      time: this.#options.now(),
      requestNumber: ++this.#requests,
      method: request.method ?? '',
      target,
      status: response.headersSent ? response.statusCode : 0,
      bytes,
      kind,
      outcome,
      durationMs: endedAt - startedAt,
      firstByteMs: (firstByteAt === 0 ? endedAt : firstByteAt) - startedAt,
      client: this.#options.addresses.of(request),
      user,
      userAgent: request.headers['user-agent'],
    });
    if (this.#open.length >= SETTLE_COUNT) this.settle();
    else this.#timer ??= setTimeout(() => this.settle(), SETTLE_MS).unref();
  }

  /** Accounts for all that was noted: before a scrape, at the end, and every 100 ms. */
  settle(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { metrics, access } = this.#options;
    const open = this.#open;
    this.#open = [];
    for (const one of open) {
      metrics.record(one);
      access?.(one);
    }
  }
}
