// Lets in who is on the list of clients, before anything is looked up for it. A credential that was right once is
// remembered by a keyed hash, so that it costs a hot request a microsecond and not a password's scrypt.

import { hash, randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Overloaded, TooManyFailures, Unauthorized } from '../core/errors.ts';
import { FairQueue } from '../core/fair-shares.ts';
import { clientNetwork } from './client-address.ts';
import type { ClientList } from './client-list.ts';
import { FailedAttempts } from './failed-attempts.ts';

/** A request at the gate, which writes the client's name on it. */
export interface GatedRequest {
  readonly request: IncomingMessage;
  user: string | undefined;
}

export interface ClientGateOptions {
  readonly clients: ClientList;
  readonly now: () => number;
  readonly addressOf: (exchange: GatedRequest) => string;
  readonly onRefused: (why: 'unauthorized' | 'too-many-failures') => void;
}

const MOST_REMEMBERED = 10_000;
/** Passwords that wait for their check; one is checked at a time, so that guessing cannot occupy the machine. */
const MOST_WAITING = 200;
const CHALLENGE = 'Basic realm="wheelkeep", charset="UTF-8"';

export class ClientGate {
  readonly #options: ClientGateOptions;
  readonly #failures = new FailedAttempts();
  /** Without it the hashes of remembered credentials mean nothing, whoever reads our memory. */
  readonly #key = randomBytes(32).toString('base64');
  /** Names by the hash of their Authorization field. */
  #remembered = new Map<string, string>();
  /** By the hash of their Authorization field. */
  readonly #checks = new Map<string, Promise<string | undefined>>();
  /** By the network of those who wait: whose network guesses waits behind its own guesses, everybody else behind one. */
  readonly #waiting = new FairQueue<() => Promise<void>>();
  #isChecking = false;
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
  admit<Asked extends GatedRequest>(exchange: Asked, isOpen: (exchange: Asked) => boolean): Promise<void> | undefined {
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

  async #check(exchange: GatedRequest, authorization: string, digest: string): Promise<void> {
    const { now, addressOf } = this.#options;
    const address = addressOf(exchange);
    const waitMs = this.#failures.waitMs(address, now());
    if (waitMs > 0) throw this.#tooMany(waitMs);
    const clients = this.#clients;
    const byToken = clients.nameByToken(authorization);
    if (byToken !== undefined) {
      this.#remember(digest, byToken, clients);
      exchange.user = byToken;
      return;
    }
    const name = clients.hasPassword(authorization)
      ? await this.#nameByPassword(authorization, digest, address)
      : this.#refusedAtOnce(address);
    if (name === undefined) {
      this.#options.onRefused('unauthorized');
      throw new Unauthorized('The name or the password is wrong.', CHALLENGE);
    }
    exchange.user = name;
  }

  #refusedAtOnce(address: string): undefined {
    this.#failures.note(address, this.#options.now());
    return undefined;
  }

  #tooMany(waitMs: number): TooManyFailures {
    this.#options.onRefused('too-many-failures');
    return new TooManyFailures(Math.ceil(waitMs / 1000));
  }

  /** Who come together with one credential share its check, which is one attempt of the network that came first. */
  async #nameByPassword(authorization: string, digest: string, address: string): Promise<string | undefined> {
    const underWay = this.#checks.get(digest);
    if (underWay !== undefined) {
      const name = await underWay;
      if (name === undefined) this.#failures.note(address, this.#options.now());
      return name;
    }
    if (this.#checks.size >= MOST_WAITING) throw new Overloaded('Too many credentials are being checked.');
    // A: sends guess after guess without waiting for answers. 1. Its first guess is being checked, and nothing has
    // failed yet. 2. Its second one comes. Did only failures count, the second and the hundredth would be checked, too.
    const waitMs = this.#failures.begin(address, this.#options.now());
    if (waitMs > 0) throw this.#tooMany(waitMs);
    const check = new Promise<string | undefined>((resolve, reject) => {
      this.#waiting.add(clientNetwork(address), () => this.#ask(authorization, digest).then(resolve, reject));
    });
    this.#checks.set(digest, check);
    void this.#checkInTurn();
    let name: string | undefined;
    let hasFailed = false;
    try {
      name = await check;
      hasFailed = name === undefined;
    } finally {
      this.#checks.delete(digest);
      this.#failures.end(address, hasFailed, this.#options.now());
    }
    return name;
  }

  async #checkInTurn(): Promise<void> {
    if (this.#isChecking) return;
    this.#isChecking = true;
    for (let next = this.#waiting.next(ANYBODY); next !== undefined; next = this.#waiting.next(ANYBODY)) await next();
    this.#isChecking = false;
  }

  async #ask(authorization: string, digest: string): Promise<string | undefined> {
    const clients = this.#clients;
    const name = await clients.nameOf(authorization);
    if (name !== undefined) this.#remember(digest, name, clients);
    return name;
  }

  #remember(digest: string, name: string, clients: ClientList): void {
    // A list that was replaced meanwhile may not know it any more: the next request asks it.
    if (clients !== this.#clients) return;
    if (this.#remembered.size >= MOST_REMEMBERED) this.#remembered.clear();
    this.#remembered.set(digest, name);
  }
}

const ANYBODY = () => true;
