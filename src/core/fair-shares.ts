// Places of which one client may take as many as there are, and yet cannot keep the others out: some are kept back for
// whoever has fewer than an equal share.

/** Of the limit: so many more places for those who come late. */
const KEPT_BACK = 0.25;

export class FairShares {
  readonly #limit: number;
  readonly #most: number;
  readonly #taken = new Map<string, number>();
  #count = 0;

  /** `limit`: how many one client may take while nobody else wants any. */
  constructor(limit: number) {
    this.#limit = limit;
    this.#most = limit + Math.floor(limit * KEPT_BACK);
  }

  /** How many are taken. */
  get count(): number {
    return this.#count;
  }

  mayTake(client: string): boolean {
    if (this.#count < this.#limit) return true;
    const own = this.#taken.get(client) ?? 0;
    const clients = this.#taken.size + (own === 0 ? 1 : 0);
    return this.#count < this.#most && own + 1 <= this.#limit / clients;
  }

  take(client: string): void {
    this.#taken.set(client, (this.#taken.get(client) ?? 0) + 1);
    this.#count += 1;
  }

  giveBack(client: string): void {
    const left = this.#taken.get(client)! - 1;
    if (left === 0) this.#taken.delete(client);
    else this.#taken.set(client, left);
    this.#count -= 1;
  }
}
