// Changes of one thing in turn, of different things at once. A body may be evicted and stored again at the same moment:
// mixed up, the account would miss a file that is there, or count one that is not.

export class OneByOne {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Calls `change` when those before it with the same key are done, however they ended; resolves or rejects as it does. */
  inTurn<T>(key: string, change: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const running = before === undefined ? change() : before.then(change, change);
    this.#last.set(key, running);
    const done = () => {
      if (this.#last.get(key) === running) this.#last.delete(key);
    };
    running.then(done, done);
    return running;
  }
}
