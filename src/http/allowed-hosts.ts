// By which names we may be called (S05): a page of a stranger whose name is made to lead here (DNS rebinding) could
// otherwise read through a browser what its user may reach. Addresses and localhost are no names that a stranger can
// give us, and probes, scrapers and our own commands use them.

import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { MisdirectedRequest } from '../errors.ts';

export class AllowedHosts {
  readonly #names: ReadonlySet<string>;

  /** Names in lower case, without ports. */
  constructor(names: readonly string[]) {
    this.#names = new Set(names);
  }

  /** Throws MisdirectedRequest when the field Host names none of them; it is not repeated to anybody. */
  require({ headers }: Pick<IncomingMessage, 'headers'>): void {
    if (!this.#allows(headers.host ?? '')) throw new MisdirectedRequest('This server has another name.');
  }

  #allows(host: string): boolean {
    const name = host
      .replace(/:\d*$/, '')
      .replace(/^\[(.*)\]$/, '$1')
      .replace(/\.$/, '')
      .toLowerCase();
    return this.#names.has(name) || name === 'localhost' || isIP(name) !== 0;
  }
}
