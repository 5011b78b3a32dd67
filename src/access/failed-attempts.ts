// How often a client network has failed to prove who it is: after a few times it has to wait, because each attempt at a
// password costs us much and an attacker nothing. Attempts under way count like failed ones until they are known
// to be right, or a hundred at once would be a hundred. Pure, with the time as an argument.

import { clientNetwork } from './client-address.ts';

/** Enough for slips of the fingers and a CI matrix with last week's secret. */
const MOST = 20;
const WINDOW_MS = 60_000;
/** How long to wait while it is only attempts under way that are too many: they end one after the other. */
const UNDER_WAY_MS = 1_000;
/** Networks that are remembered; the longest known goes first. */
const MOST_NETWORKS = 10_000;

interface Failures {
  count: number;
  readonly since: number;
}

/** Counts wrong credentials by client network, those under way included. */
export class FailedAttempts {
  readonly #failures = new Map<string, Failures>();
  readonly #underWay = new Map<string, number>();

  /** Milliseconds that the address has to wait because it failed; 0 when it may try. */
  waitMs(address: string, now: number): number {
    const known = this.#failures.get(clientNetwork(address));
    if (known === undefined || known.count < MOST) return 0;
    return Math.max(0, known.since + WINDOW_MS - now);
  }

  /** Begins an attempt, which `end` ends; or the milliseconds for which none may begin. */
  begin(address: string, now: number): number {
    const network = clientNetwork(address);
    const waitMs = this.waitMs(address, now);
    if (waitMs > 0) return waitMs;
    const underWay = this.#underWay.get(network) ?? 0;
    if (this.#recent(network, now) + underWay >= MOST) return UNDER_WAY_MS;
    this.#underWay.set(network, underWay + 1);
    return 0;
  }

  end(address: string, hasFailed: boolean, now: number): void {
    const network = clientNetwork(address);
    const left = this.#underWay.get(network)! - 1;
    if (left === 0) this.#underWay.delete(network);
    else this.#underWay.set(network, left);
    if (hasFailed) this.note(address, now);
  }

  /** Counts a failure of the address. */
  note(address: string, now: number): void {
    const network = clientNetwork(address);
    const known = this.#failures.get(network);
    if (known !== undefined && now - known.since < WINDOW_MS) {
      known.count++;
      return;
    }
    this.#failures.delete(network);
    if (this.#failures.size >= MOST_NETWORKS) this.#failures.delete(this.#failures.keys().next().value!);
    this.#failures.set(network, { count: 1, since: now });
  }

  #recent(network: string, now: number): number {
    const known = this.#failures.get(network);
    return known === undefined || now - known.since >= WINDOW_MS ? 0 : known.count;
  }
}
