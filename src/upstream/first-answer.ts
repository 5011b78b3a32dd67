// Asks one server, and others beside it: the next at once when one fails, one more when the first stays silent.
// The first good answer counts, the rest is cancelled.

/** Why somebody else is asked: after a failure, because the first takes long, or because it takes too long. */
export type Reason = 'failover' | 'hedge' | 'overdue';

/** One question; its signal is aborted when another answer won or nobody wants one any more. */
export type Ask<T> = (signal: AbortSignal) => Promise<T>;

/** Requests of which the first answer counts. */
export interface Race<T> {
  readonly first: Ask<T>;
  /** Whom to ask beside or after the first; undefined when there is nobody (any more). */
  readonly next: (reason: Reason) => Ask<T> | undefined;
  /** Silence of that length asks for a hedge, once. */
  readonly hedgeAfterMs: number;
  /** Silence of that length once more; never unless given. */
  readonly overdueAfterMs?: number;
  readonly signal: AbortSignal;
  /** An answer that came although another had won. */
  readonly late: (answer: T) => void;
}

/** The first answer, or the last failure when nobody is left to ask. */
export function firstAnswer<T>({ first, next, hedgeAfterMs, overdueAfterMs, signal, late }: Race<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const running = new Set<AbortController>();
  let settled = false;

  const start = (ask: Ask<T>): void => {
    const control = new AbortController();
    running.add(control);
    ask(AbortSignal.any([signal, control.signal])).then(
      (answer) => {
        if (settled) return late(answer);
        settled = true;
        clearTimeout(hedge);
        clearTimeout(overdue);
        running.delete(control);
        for (const loser of running) loser.abort();
        resolve(answer);
      },
      (error: unknown) => {
        running.delete(control);
        if (settled) return;
        const other = signal.aborted ? undefined : next('failover');
        if (other !== undefined) return start(other);
        if (running.size > 0) return;
        settled = true;
        clearTimeout(hedge);
        clearTimeout(overdue);
        reject(error);
      },
    );
  };

  const askBeside = (reason: Reason): void => {
    const other = next(reason);
    if (other !== undefined) start(other);
  };
  const hedge = setTimeout(askBeside, hedgeAfterMs, 'hedge');
  const overdue = overdueAfterMs === undefined ? undefined : setTimeout(askBeside, overdueAfterMs, 'overdue');
  start(first);
  return promise;
}

// How many requests may be sent twice: a share of all requests plus a small burst, so that a slow upstream is never
// answered with twice the load.

/** How many requests may be hedged: five at once, then 5 %. */
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
