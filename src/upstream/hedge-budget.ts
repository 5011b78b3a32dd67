// How many requests may be sent twice: a share of all requests plus a small burst, so that a slow upstream is never
// answered with twice the load.

export class HedgeBudget {
  readonly #share: number;
  readonly #burst: number;
  #tokens: number;

  /** `share` of the requests may be hedged (0.05), and `burst` more before any have been counted. */
  constructor(share = 0.05, burst = 5) {
    this.#share = share;
    this.#burst = burst;
    this.#tokens = burst;
  }

  /** A request was sent: it earns a part of a hedge. */
  earn(): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + this.#share);
  }

  /** Whether one more hedge may be sent now; true spends it. */
  spend(): boolean {
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
