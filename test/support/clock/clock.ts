// A clock that stands still until a test moves it: a promise about a week takes a microsecond.

export class FakeClock {
  #now: number;

  /** Milliseconds since the epoch; 2026-01-01 unless given, so that no test depends on today. */
  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#now = startMs;
  }

  /** Milliseconds since the epoch. An arrow, so that it can be handed out as `now` by itself. */
  readonly now = (): number => this.#now;

  /** Moves the clock; a negative step plays a clock that was set back. */
  advance(ms: number): void {
    this.#now += ms;
  }
}

/** A clock that runs and can be moved: for plays in which real time-outs count as well. */
export class RunningClock {
  #offset = 0;

  readonly now = (): number => Date.now() + this.#offset;

  advance(ms: number): void {
    this.#offset += ms;
  }
}
