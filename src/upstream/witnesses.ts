// Who speaks for and against a server: which subjects (projects) failed since something last went well, and which went
// well lately. One project's failure is that project's; several distinct ones without a success between them make the
// server suspect, whatever kind of failure each of them is. Pure; times are milliseconds since the epoch.

/** So many distinct subjects, within the window, make the server suspect. */
const SUSPECT_AT = 5;
const WINDOW_MS = 60_000;
/** Subjects remembered against a server; beyond it the oldest is forgotten. */
const MAX_AGAINST = 1_000;
/** Paths remembered for it: enough that one of them is well when others turned bad meanwhile. */
const MAX_FOR = 8;

/** Which subjects failed at a mirror lately, and what was well. */
export class Witnesses {
  /** When each subject failed last, oldest first. */
  readonly #against = new Map<string, number>();
  /** Paths that brought something good, the newest last. */
  readonly #for = new Map<string, string>();

  /** The server answered for itself: what failed before was its own fault. */
  answered(): void {
    this.#against.clear();
  }

  /** It brought what was asked for at that path. */
  good(subject: string, path: string): void {
    this.answered();
    this.#for.delete(subject);
    this.#for.set(subject, path);
    if (this.#for.size > MAX_FOR) this.#for.delete(this.#for.keys().next().value!);
  }

  bad(subject: string, now: number): void {
    this.#for.delete(subject);
    this.#against.delete(subject);
    this.#against.set(subject, now);
    if (this.#against.size > MAX_AGAINST) this.#against.delete(this.#against.keys().next().value!);
  }

  /** Whether it failed, and nothing went well since: a probe should ask for something else. */
  isAgainst(subject: string): boolean {
    return this.#against.has(subject);
  }

  isSuspect(now: number): boolean {
    let count = 0;
    for (const time of this.#against.values()) if (now - time < WINDOW_MS) count += 1;
    return count >= SUSPECT_AT;
  }

  /** Paths that were well lately and have not failed since, the newest first. */
  get neutral(): string[] {
    return [...this.#for.values()].reverse();
  }
}
