// Which pages in a browser may read our answers (CORS, fetch.spec.whatwg.org 3.2). Off by default: with it any page in a
// colleague's browser may read what only the company's network can reach. Never for status page, metrics, administration.

import type { IncomingMessage } from 'node:http';

/** What stands first in the paths that installers ask: pages, files and their metadata, documents. */
const FOR_INSTALLERS: ReadonlySet<string> = new Set(['simple', 'files', 'pypi', 'integrity']);
const METHODS = 'GET, HEAD';
/** Names of request fields as a browser lists them. */
const FIELD_NAMES = /^[a-z0-9!#$%&'*+.^_`|~-]+(?: *, *[a-z0-9!#$%&'*+.^_`|~-]+)*$/i;
const MOST_FIELD_NAMES = 1_000;
/** How long a browser remembers that it may ask; a changed configuration is noticed by then. */
const MAX_AGE_SECONDS = 600;
const VARY: readonly string[] = ['vary', 'origin'];

/** A request that a browser may have made, and its answer to come. */
export interface BrowserExchange {
  readonly request: IncomingMessage;
  /** Fields that the answer gets whatever it will be: name, value, name, value, … */
  addedFields: readonly string[];
  send(status: number, fields: readonly string[]): void;
}

export class BrowserOrigins {
  readonly #origins: ReadonlySet<string>;
  readonly #indexNames: ReadonlySet<string>;

  /** Origins in their normal form, or `*` for all of them. `indexNames` may stand before `/simple/` and its like. */
  constructor(origins: readonly string[], indexNames: ReadonlySet<string>) {
    this.#origins = new Set(origins);
    this.#indexNames = indexNames;
  }

  /**
   * Adds to the exchange's answer, whatever it will be, what lets a browser hand it on. True when that was all: the
   * exchange was a browser's question whether it may ask (a preflight), and is answered. It carries no credentials.
   */
  admit(exchange: BrowserExchange): boolean {
    const { request } = exchange;
    if (!this.#isForInstallers(request.url ?? '')) return false;
    const allowed = this.#allowed(request.headers.origin);
    exchange.addedFields =
      allowed === undefined
        ? VARY
        : [...VARY, 'access-control-allow-origin', allowed, 'access-control-expose-headers', '*'];
    if (allowed === undefined || request.method !== 'OPTIONS') return false;
    if (request.headers['access-control-request-method'] === undefined) return false;
    exchange.send(204, preflightFields(request.headers));
    return true;
  }

  #allowed(origin: string | undefined): string | undefined {
    if (this.#origins.has('*')) return '*';
    return origin !== undefined && this.#origins.has(origin) ? origin : undefined;
  }

  #isForInstallers(target: string): boolean {
    const path = target.replace(/^https?:\/\/[^/?#]*/i, '').split(/[?#]/, 1)[0]!;
    const [first = '', second = ''] = path.split('/').slice(1);
    return FOR_INSTALLERS.has(this.#indexNames.has(first) ? second : first);
  }
}

function preflightFields(headers: NodeJS.Dict<string | string[]>): string[] {
  const fields = [
    'access-control-allow-methods',
    METHODS,
    'access-control-max-age',
    String(MAX_AGE_SECONDS),
    'cache-control',
    'no-store',
  ];
  const wanted = headers['access-control-request-headers'];
  // Whatever it wants to send, a request that only reads can do no more with it.
  if (typeof wanted === 'string' && wanted.length <= MOST_FIELD_NAMES && FIELD_NAMES.test(wanted)) {
    fields.push('access-control-allow-headers', wanted);
  }
  // Browsers ask this of servers in private networks, where we mostly are (wicg.github.io/private-network-access).
  if (headers['access-control-request-private-network'] === 'true') {
    fields.push('access-control-allow-private-network', 'true');
  }
  return fields;
}
