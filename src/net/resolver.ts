// Names to addresses, both families, remembered for half a minute. When the name service fails or dawdles the last
// answer is used: an outage of DNS alone changes nothing for us.

import { lookup as systemLookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { LRUCache } from 'lru-cache';
import { toUpstreamFailure } from './failures.ts';

/** All addresses of a name, in the order to try them. Rejects when the name does not resolve. */
export type Lookup = (hostname: string) => Promise<readonly string[]>;

/** How names are resolved, and for how long an answer is remembered. */
export interface ResolverOptions {
  readonly now: () => number;
  readonly lookup?: Lookup | undefined;
  /** An answer older than that is asked for again. */
  readonly freshMs?: number;
  /** With an old answer in hand, wait no longer than that for a new one. */
  readonly patienceMs?: number;
}

interface Answer {
  readonly addresses: readonly string[];
  readonly time: number;
}

/** Resolves names, once for all who ask at the same time. */
export class Resolver {
  readonly #now: () => number;
  readonly #lookup: Lookup;
  readonly #freshMs: number;
  readonly #patienceMs: number;
  readonly #answers = new LRUCache<string, Answer>({ max: 1000 });
  readonly #asking = new Map<string, Promise<readonly string[]>>();

  constructor(options: ResolverOptions) {
    this.#now = options.now;
    this.#lookup = options.lookup ?? lookupBothFamilies;
    this.#freshMs = options.freshMs ?? 25_000;
    this.#patienceMs = options.patienceMs ?? 1_000;
  }

  /**
   * The addresses of a URL's host (an address literal is its own answer), never empty.
   * Throws UpstreamFailure 'dns' when the name does not resolve and never did.
   */
  async addresses(hostname: string): Promise<readonly string[]> {
    const literal = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
    if (isIP(literal) !== 0) return [literal];
    const known = this.#answers.get(hostname);
    if (known !== undefined && this.#now() - known.time < this.#freshMs) return known.addresses;
    const asked = this.#ask(hostname);
    if (known === undefined) return asked;
    return firstOf(asked, this.#patienceMs, known.addresses);
  }

  /** One question at a time for a name: a hanging name service must not fill the thread pool that files need too. */
  #ask(hostname: string): Promise<readonly string[]> {
    const asking = this.#asking.get(hostname);
    if (asking !== undefined) return asking;
    const asked = this.#lookup(hostname)
      .then((addresses) => {
        if (addresses.length === 0) throw new Error('no addresses');
        this.#answers.set(hostname, { addresses, time: this.#now() });
        return addresses;
      })
      .catch((error: unknown) => {
        throw toUpstreamFailure(error, 'dns', hostname);
      })
      .finally(() => this.#asking.delete(hostname));
    this.#asking.set(hostname, asked);
    return asked;
  }
}

/** What `asked` resolves to, or `otherwise` when it fails or takes longer than `patienceMs`. */
function firstOf<T>(asked: Promise<T>, patienceMs: number, otherwise: T): Promise<T> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, patienceMs, otherwise);
    const settle = (value: T): void => {
      clearTimeout(timer);
      resolve(value);
    };
    asked.then(settle, () => settle(otherwise));
  });
}

/** The system's answer, families alternating (RFC 8305 4): when one family is broken the second try is the other. */
async function lookupBothFamilies(hostname: string): Promise<readonly string[]> {
  const found = await systemLookup(hostname, { all: true, order: 'verbatim' });
  const preferred = found.filter(({ family }) => family === found[0]!.family);
  const other = found.filter(({ family }) => family !== found[0]!.family);
  const longer = Math.max(preferred.length, other.length);
  const alternating = Array.from({ length: longer }, (_, i) => [preferred[i], other[i]]).flat();
  return alternating.filter((item) => item !== undefined).map(({ address }) => address);
}
