// Lets in who is on the list of clients, before anything is looked up for him (S19). A credential that was right once is
// remembered by a keyed hash, so that it costs a hot request a microsecond and not a password's scrypt.

import { hash, randomBytes } from 'node:crypto';
import { Overloaded, TooManyFailures, Unauthorized } from '../errors.ts';
import type { ClientList } from './client-list.ts';
import type { Exchange } from './exchange.ts';
import { FailedAttempts } from './failed-attempts.ts';

export interface ClientGateOptions {
  readonly clients: ClientList;
  readonly now: () => number;
  readonly addressOf: (exchange: Exchange) => string;
  readonly onRefused: (why: 'unauthorized' | 'too-many-failures') => void;
}

const MOST_REMEMBERED = 10_000;
/** Credentials that wait for their check; one is checked at a time, so that guessing cannot occupy the machine. */
const MOST_WAITING = 200;
const CHALLENGE = 'Basic realm="wheelkeep", charset="UTF-8"';

export class ClientGate {
  readonly #options: ClientGateOptions;
  readonly #failures = new FailedAttempts();
  /** Without it the hashes of remembered credentials mean nothing, whoever reads our memory (S47). */
  readonly #key = randomBytes(32).toString('base64');
  /** Names by the hash of their Authorization field. */
  #remembered = new Map<string, string>();
  readonly #checks = new Map<string, Promise<string | undefined>>();
  #turn: Promise<unknown> = Promise.resolve();
  #clients: ClientList;

  constructor(options: ClientGateOptions) {
    this.#options = options;
    this.#clients = options.clients;
  }

  /** Another list counts from now on, also for who was let in before. */
  replace(clients: ClientList): void {
    this.#clients = clients;
    this.#remembered = new Map();
  }

  /**
   * Undefined when the exchange is let in at once, a promise when its credential has to be checked first. What is open
   * to everybody needs none. Throws or rejects with Unauthorized or TooManyFailures.
   */
  admit(exchange: Exchange, isOpen: (exchange: Exchange) => boolean): Promise<void> | undefined {
    const { authorization } = exchange.request.headers;
    const digest = authorization === undefined ? '' : hash('sha256', this.#key + authorization, 'base64');
    const name = this.#remembered.get(digest);
    if (name !== undefined) {
      exchange.user = name;
      return undefined;
    }
    if (isOpen(exchange)) return undefined;
    if (authorization === undefined) {
      throw new Unauthorized(
        'This server needs a name and a password, as https://name:password@… in the address.',
        CHALLENGE,
      );
    }
    return this.#check(exchange, authorization, digest);
  }

  async #check(exchange: Exchange, authorization: string, digest: string): Promise<void> {
    const { now, addressOf, onRefused } = this.#options;
    const address = addressOf(exchange);
    const waitMs = this.#failures.waitMs(address, now());
    if (waitMs > 0) {
      onRefused('too-many-failures');
      throw new TooManyFailures(Math.ceil(waitMs / 1000));
    }
    const name = await this.#nameOf(authorization, digest);
    if (name !== undefined) {
      exchange.user = name;
      return;
    }
    this.#failures.note(address, now());
    onRefused('unauthorized');
    throw new Unauthorized('The name or the password is wrong.', CHALLENGE);
  }

  /** Who come together with one credential share its check. */
  async #nameOf(authorization: string, digest: string): Promise<string | undefined> {
    const underWay = this.#checks.get(digest);
    if (underWay !== undefined) return underWay;
    if (this.#checks.size >= MOST_WAITING) throw new Overloaded('Too many credentials are being checked.');
    const check = this.#turn.then(() => this.#ask(authorization, digest));
    this.#checks.set(digest, check);
    this.#turn = check.catch(() => {}).finally(() => this.#checks.delete(digest));
    return check;
  }

  async #ask(authorization: string, digest: string): Promise<string | undefined> {
    const clients = this.#clients;
    const name = await clients.nameOf(authorization);
    // A list that was replaced meanwhile may not know him any more: the next request asks it.
    if (name !== undefined && clients === this.#clients) {
      if (this.#remembered.size >= MOST_REMEMBERED) this.#remembered.clear();
      this.#remembered.set(digest, name);
    }
    return name;
  }
}
