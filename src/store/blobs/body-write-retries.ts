// Bodies that the disk did not take: it is full or broken, or downloads have used the quota up. Until it takes them they
// are in memory alone, and a restart in an outage would lose what clients have been given: so they are offered to it again.

/** Tries once more to keep one body; resolves with true when it is kept, or not wanted any more. Never rejects. */
export type Retry = () => Promise<boolean>;

const RETRY_MS = 5_000;
/** Bodies in memory are bounded elsewhere (recent-bodies.ts); this is for thousands of small ones. */
const MAX_WAITING = 10_000;

/** Bodies that the disk did not take, offered to it again. */
export class BodyWriteRetries {
  /** By the name of the body, those first that have waited longest. */
  readonly #waiting = new Map<string, Retry>();
  #timer: NodeJS.Timeout | undefined;
  #trying: Promise<void> | undefined;

  /** A newer body takes the place of the one of the same name. */
  add(name: string, retry: Retry): void {
    this.#putLast(name, retry);
    if (this.#waiting.size > MAX_WAITING) this.#waiting.delete(this.#waiting.keys().next().value!);
    this.#timer ??= setInterval(() => void this.tryAgain(), RETRY_MS).unref();
  }

  /** Offers them to the disk, up to the first that it does not take: that one is the last of the next time. */
  tryAgain(): Promise<void> {
    this.#trying ??= this.#tryAll().finally(() => {
      this.#trying = undefined;
    });
    return this.#trying;
  }

  /** The last try. */
  async close(): Promise<void> {
    await this.tryAgain();
    this.#stop();
  }

  async #tryAll(): Promise<void> {
    for (const [name, retry] of this.#waiting) {
      const isDone = await retry();
      // Another one of this name may have come meanwhile.
      if (this.#waiting.get(name) !== retry) continue;
      if (!isDone) return this.#putLast(name, retry);
      this.#waiting.delete(name);
    }
    this.#stop();
  }

  #putLast(name: string, retry: Retry): void {
    this.#waiting.delete(name);
    this.#waiting.set(name, retry);
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
