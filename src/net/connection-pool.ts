// The open connections, by origin: idle ones are reused newest first, no origin gets more than its limit, and clients
// take turns at it: a few connections are kept back for those who have fewer in use than others.

import { UpstreamFailure } from '../core/errors.ts';
import { FairQueue, FairShares } from '../core/fair-shares.ts';
import { type Connection, IDLE_MS } from './connection.ts';
import { crowdedFailure } from './failures.ts';

interface Origin {
  /** Connections that are open or being opened. */
  open: number;
  /** Oldest first. */
  readonly idle: Connection[];
  /** The connections in use, by client. */
  readonly shares: FairShares;
  /** Requests that wait for a place. */
  readonly waiting: FairQueue<() => void>;
}

/** How many connections of one group there are. */
export interface PoolStatus {
  readonly origin: string;
  readonly open: number;
  readonly idle: number;
  readonly waiting: number;
}

/** Keeps connections open for reuse, and shares them among clients. */
export class ConnectionPool {
  readonly #now: () => number;
  readonly #limit: number;
  readonly #origins = new Map<string, Origin>();
  readonly #all = new Set<Connection>();
  /** Whose each connection is that is not idle. */
  readonly #users = new WeakMap<Connection, string>();
  #closed = false;

  constructor(options: { readonly now: () => number; readonly connectionsPerOrigin: number }) {
    this.#now = options.now;
    this.#limit = options.connectionsPerOrigin;
  }

  /** An idle connection to one of `sources`, the first that has any; it is this client's until it is released. */
  takeIdle(origin: string, client: string, sources: readonly string[]): Connection | undefined {
    const held = this.#origins.get(origin);
    if (held === undefined || held.idle.length === 0 || !held.shares.mayTake(client)) return undefined;
    const oldest = this.#now() - IDLE_MS;
    for (const source of sources) {
      for (let i = held.idle.length - 1; i >= 0; i--) {
        const connection = held.idle[i]!;
        if (connection.source !== source) continue;
        held.idle.splice(i, 1);
        if (connection.isOpen && connection.idleSince > oldest) {
          held.shares.take(client);
          this.#users.set(connection, client);
          return connection;
        }
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
  async reserve(origin: string, client: string, signal: AbortSignal): Promise<boolean> {
    const held = this.#held(origin);
    if (held.shares.mayTake(client)) {
      if (held.open < this.#limit || held.idle.length === 0) {
        held.shares.take(client);
        held.open += 1;
        return true;
      }
      // A connection that is idle but of no use to the caller makes room.
      held.idle.shift()!.destroy();
    }
    await this.#turn(origin, held, client, signal);
    return false;
  }

  /** The reserved place could not be used. */
  failed(origin: string, client: string): void {
    this.#held(origin).shares.giveBack(client);
    this.#leave(origin);
  }

  /** The reserved place is this connection's until it closes. */
  opened(origin: string, client: string, connection: Connection): void {
    this.#all.add(connection);
    this.#users.set(connection, client);
    connection.onClosed(() => {
      this.#all.delete(connection);
      const held = this.#held(origin);
      const place = held.idle.indexOf(connection);
      if (place >= 0) held.idle.splice(place, 1);
      this.#endUse(held, connection);
      this.#leave(origin);
    });
    if (this.#closed) connection.destroy();
  }

  /** The answer is complete and the connection still open: others may use it. */
  release(origin: string, connection: Connection): void {
    const held = this.#held(origin);
    connection.idleSince = this.#now();
    held.idle.push(connection);
    this.#endUse(held, connection);
    wakeNext(held);
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
    const shares = new FairShares(this.#limit);
    const held: Origin = { open: 0, idle: [], shares, waiting: new FairQueue() };
    this.#origins.set(origin, held);
    return held;
  }

  #leave(origin: string): void {
    const held = this.#held(origin);
    held.open -= 1;
    wakeNext(held);
    if (held.open === 0 && held.waiting.size === 0) this.#origins.delete(origin);
  }

  #endUse(held: Origin, connection: Connection): void {
    const user = this.#users.get(connection);
    if (user === undefined) return;
    this.#users.delete(connection);
    held.shares.giveBack(user);
  }

  #turn(origin: string, held: Origin, client: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const wake = (): void => {
        signal.removeEventListener('abort', giveUp);
        resolve();
      };
      const giveUp = (): void => {
        held.waiting.delete(client, wake);
        const { reason } = signal;
        const isLate = reason instanceof UpstreamFailure && reason.kind === 'timeout';
        reject(isLate ? crowdedFailure(new URL(origin).host) : reason);
      };
      held.waiting.add(client, wake);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  }
}

function wakeNext({ waiting, shares }: Origin): void {
  waiting.next((client) => shares.mayTake(client))?.();
}
