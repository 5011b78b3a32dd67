// Places of which one client may take as many as there are, and yet cannot keep the others out: some are kept back for
// whoever has fewer than an equal share.

/** Of the limit: so many more places for those who come late. */
const KEPT_BACK = 0.25;

/** Places that clients share: one client may have all while nobody else wants any. */
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

// A queue in which everyone has a line of his own, and the lines take turns: who sends thousands waits for himself.

/** A queue in which clients take turns. */
export class FairQueue<T> {
  /** In the order of their next turns; none is empty. */
  readonly #lines = new Map<string, Set<T>>();

  get size(): number {
    let size = 0;
    for (const line of this.#lines.values()) size += line.size;
    return size;
  }

  add(client: string, item: T): void {
    const line = this.#lines.get(client);
    if (line === undefined) this.#lines.set(client, new Set([item]));
    else line.add(item);
  }

  delete(client: string, item: T): void {
    const line = this.#lines.get(client);
    line?.delete(item);
    if (line?.size === 0) this.#lines.delete(client);
  }

  /** Takes out who comes next among the clients that may. */
  next(may: (client: string) => boolean): T | undefined {
    for (const [client, line] of this.#lines) {
      if (!may(client)) continue;
      const [first] = line;
      line.delete(first!);
      this.#lines.delete(client);
      if (line.size > 0) this.#lines.set(client, line);
      return first;
    }
    return undefined;
  }
}
