// By which names we may be called: a page of a stranger whose name is made to lead here (DNS rebinding) could
// otherwise read through a browser what its user may reach. Addresses and localhost are no names that a stranger can
// give us, and probes, scrapers and our own commands use them.

import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { MisdirectedRequest } from '../core/errors.ts';

/** Stands in allowed_hosts for every name. */
const EVERY = '*';

export class AllowedHosts {
  readonly #names: ReadonlySet<string>;

  /** Names in lower case, without ports. */
  constructor(names: readonly string[]) {
    this.#names = new Set(names);
  }

  /** Throws MisdirectedRequest when the field Host names none of them; it is not repeated to anybody. */
  require({ headers }: Pick<IncomingMessage, 'headers'>): void {
    if (this.#allows(headers.host ?? '')) return;
    throw new MisdirectedRequest(
      'Host is not in allowed_hosts. Add the name by which clients call this server there, or call it by its address.',
    );
  }

  #allows(host: string): boolean {
    const name = host
      .replace(/:\d*$/, '')
      .replace(/^\[(.*)\]$/, '$1')
      .replace(/\.$/, '')
      .toLowerCase();
    // RFC 6761 6.3: localhost and all names below it are this machine, whatever a name server says.
    const isLocal = name === 'localhost' || name.endsWith('.localhost');
    return isLocal || isIP(name) !== 0 || this.#names.has(name);
  }
}

/** The names for one listener; undefined when it is called by any name. */
export function allowedHostsFor(
  listenHost: string,
  { allowedHosts, loopbackNames }: AllowedNames,
): AllowedHosts | undefined {
  if (allowedHosts.includes(EVERY)) return undefined;
  if (allowedHosts.length > 0) return new AllowedHosts(allowedHosts);
  // Who listens for other machines has a name there that only the operator knows.
  return loopbackNames !== undefined && LOOPBACK.test(listenHost) ? new AllowedHosts(loopbackNames) : undefined;
}

export interface AllowedNames {
  /** What the operator lists; empty when nothing is. */
  readonly allowedHosts: readonly string[];
  /** Without such a list: what a listener on loopback is called beside localhost; undefined for any name. */
  readonly loopbackNames?: readonly string[];
}

const LOOPBACK = /^(?:127\.[\d.]+|::1|::ffff:127\.[\d.]+|(?:.+\.)?localhost)$/i;
