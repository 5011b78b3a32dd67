// The health of every address we connect to, and the order in which to try those of one host. One bad address of
// several (dead, wrong certificate, failing, wrong bytes) must cost its clients no more than a first try.

import { LRUCache } from 'lru-cache';
import { Breaker } from '../core/breaker.ts';

/** Bytes that did not match their digest: that address is a last resort for five minutes. */
const WRONG_BYTES_PAUSE_MS = 300_000;

/** How an attempt ended as far as the address is concerned; 'unknown' when we gave up before it could show. */
export type AddressResult = 'good' | 'bad' | 'unknown';

/** Tells the book how one attempt ended; called once. */
export type ReportAddress = (result: AddressResult) => void;

/** The health of one address. */
export interface AddressStatus {
  /** `<host>/<ip>:<port>` */
  readonly source: string;
  readonly healthy: boolean;
  /** Since when this is so; milliseconds since the epoch. */
  readonly since: number;
}

/** Remembers how addresses behaved, and ranks them. */
export class AddressBook {
  readonly #now: () => number;
  readonly #random: () => number;
  /** Only addresses that have failed once are written down. */
  readonly #breakers = new LRUCache<string, Breaker>({ max: 2000 });

  constructor(options: { readonly now: () => number; readonly random: () => number }) {
    this.#now = options.now;
    this.#random = options.random;
  }

  /**
   * The sources in the order to try them: the healthy ones and those due for a probe as the resolver ordered them, then
   * those set aside, soonest due first, last those to `avoid`. None is left out: with nothing better a bad address is
   * tried all the same; not to ask at all is decided above, by the breaker of the whole upstream.
   */
  rank(sources: readonly string[], avoid: ReadonlySet<string>): string[] {
    if (sources.length < 2) return [...sources];
    const rank = (source: string): number => (avoid.has(source) ? Number.MAX_VALUE : this.#setAsideUntil(source));
    return sources
      .map((source) => ({ source, rank: rank(source) }))
      .sort((a, b) => a.rank - b.rank)
      .map(({ source }) => source);
  }

  /** False while the address is set aside. */
  isHealthy(source: string): boolean {
    return this.#setAsideUntil(source) === 0;
  }

  /** To be called when an attempt starts. An address due for a probe is then somebody's probe and nobody else's. */
  begin(source: string): ReportAddress {
    const known = this.#breakers.get(source);
    const permit = known?.begin();
    return (result) => {
      if (known === undefined) {
        if (result === 'bad') this.#breaker(source).trip();
        return;
      }
      // Without a permit it was a last resort: the address stays set aside until its own time.
      if (permit === undefined) return;
      if (result === 'good') known.succeeded(permit);
      else if (result === 'bad') permit.probe ? known.failed(permit) : known.trip();
      else known.abandoned(permit);
    };
  }

  /** That address served bytes that did not match their digest. */
  wrongBytes(source: string): void {
    this.#breaker(source).pause(WRONG_BYTES_PAUSE_MS);
  }

  status(): AddressStatus[] {
    return [...this.#breakers].map(([source, breaker]) => ({
      source,
      healthy: breaker.state === 'closed',
      since: breaker.since,
    }));
  }

  #setAsideUntil(source: string): number {
    const due = this.#breakers.peek(source)?.nextTry ?? 0;
    return due <= this.#now() ? 0 : due;
  }

  /** One failure sets an address aside: the others of its host take over, and it is probed within 30 s. */
  #breaker(source: string): Breaker {
    const known = this.#breakers.get(source);
    if (known !== undefined) return known;
    const breaker = new Breaker({ now: this.#now, random: this.#random });
    this.#breakers.set(source, breaker);
    return breaker;
  }
}
