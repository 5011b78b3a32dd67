// A queue in which everyone has a line of his own, and the lines take turns: who sends thousands waits for himself.

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
