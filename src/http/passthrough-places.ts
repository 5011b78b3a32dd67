// How many exchanges are passed through to one origin at a time. Clients share these places: who sends many slow bodies
// waits for himself, and a quarter is kept back for the others.

import { FairQueue, FairShares } from '../core/fair-shares.ts';
import { crowdedFailure } from '../net/failures.ts';

interface Origin {
  readonly shares: FairShares;
  readonly waiting: FairQueue<() => void>;
}

/** Places at each origin, taken by turns. */
export class PassthroughPlaces {
  readonly #limit: number;
  readonly #origins = new Map<string, Origin>();

  /** `limit`: how many one client may take at an origin while nobody else wants any. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Resolves with the function that gives the place back. Throws UpstreamFailure (`crowded`) when there is none for
   * this client within so many milliseconds.
   */
  async take({ origin, host }: URL, client: string, withinMs: number): Promise<() => void> {
    const held = this.#held(origin);
    const { shares, waiting } = held;
    if (shares.mayTake(client)) shares.take(client);
    else if (!(await this.#turn(held, client, withinMs))) throw crowdedFailure(host);
    return () => {
      shares.giveBack(client);
      waiting.next((next) => shares.mayTake(next))?.();
      if (shares.count === 0) this.#origins.delete(origin);
    };
  }

  /** False when the time was over. The place is taken in the turn that frees it: nobody can come between. */
  #turn({ shares, waiting }: Origin, client: string, withinMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(deadline);
        shares.take(client);
        resolve(true);
      };
      const deadline = setTimeout(() => {
        waiting.delete(client, wake);
        resolve(false);
      }, withinMs);
      waiting.add(client, wake);
    });
  }

  #held(origin: string): Origin {
    let held = this.#origins.get(origin);
    if (held === undefined) {
      held = { shares: new FairShares(this.#limit), waiting: new FairQueue() };
      this.#origins.set(origin, held);
    }
    return held;
  }
}
