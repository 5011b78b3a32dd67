// Refreshes what is asked for repeatedly shortly before it goes stale, so that nobody waits for it: a key that was
// asked for at least twice since it was validated (the request that validated it counts) is read again ahead of its
// expiry, with jitter, and at most RATE times a second per upstream.

import type { Resource } from './profile.ts';

const RATE_PER_SECOND = 20;
const TICK_MS = 250;
/** The refresh happens this share of the lifetime before the end, between the two. */
const EARLIEST = 0.2;
const LATEST = 0.08;

interface Watched {
  readonly resource: Resource;
  asks: number;
  due: boolean;
}

export interface RefreshAheadOptions {
  readonly now: () => number;
  readonly random: () => number;
  /** Starts the refresh; its failure is nobody's here. */
  readonly refresh: (resource: Resource) => void;
}

export class RefreshAhead {
  readonly #watched = new Map<string, Watched>();
  /** Keys by the tick in which they fall due. */
  readonly #ticks = new Map<number, string[]>();
  readonly #backlog: string[] = [];
  readonly #options: RefreshAheadOptions;
  readonly #timer: NodeJS.Timeout;
  #lastTick: number;

  constructor(options: RefreshAheadOptions) {
    this.#options = options;
    this.#lastTick = Math.floor(options.now() / TICK_MS);
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#timer.unref();
  }

  /** The key was validated just now and is fresh for `remainingMs`. */
  validated(resource: Resource, remainingMs: number): void {
    const known = this.#watched.get(resource.key);
    this.#watched.set(resource.key, { resource, asks: 1, due: false });
    if (known === undefined || known.due) this.#schedule(resource.key, remainingMs);
  }

  /** A client was answered from the fresh copy, which stays fresh for `remainingMs`. */
  asked(resource: Resource, remainingMs: number): void {
    const watched = this.#watched.get(resource.key);
    if (watched !== undefined) {
      watched.asks++;
      return;
    }
    this.#watched.set(resource.key, { resource, asks: 1, due: false });
    this.#schedule(resource.key, remainingMs);
  }

  /** Whether a refresh is on its way although it has not begun: the copy may then be served without waiting. */
  pending(key: string): boolean {
    return this.#watched.get(key)?.due === true;
  }

  forget(key: string): void {
    this.#watched.delete(key);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#watched.clear();
    this.#ticks.clear();
  }

  #schedule(key: string, remainingMs: number): void {
    const share = LATEST + (EARLIEST - LATEST) * this.#options.random();
    const dueAt = this.#options.now() + remainingMs * (1 - share);
    const tick = Math.max(this.#lastTick + 1, Math.floor(dueAt / TICK_MS));
    const keys = this.#ticks.get(tick);
    if (keys === undefined) this.#ticks.set(tick, [key]);
    else keys.push(key);
  }

  #tick(): void {
    const current = Math.floor(this.#options.now() / TICK_MS);
    for (const [tick, keys] of this.#ticks) {
      if (tick > current) continue;
      this.#ticks.delete(tick);
      for (const key of keys) this.#fallDue(key);
    }
    this.#lastTick = current;
    this.#startSome();
  }

  #fallDue(key: string): void {
    const watched = this.#watched.get(key);
    if (watched === undefined) return;
    if (watched.asks < 2) {
      this.#watched.delete(key);
      return;
    }
    watched.due = true;
    this.#backlog.push(key);
  }

  #startSome(): void {
    const perUpstream = new Map<string, number>();
    const waiting = this.#backlog.splice(0);
    for (const key of waiting) {
      const watched = this.#watched.get(key);
      if (watched === undefined || !watched.due) continue;
      const started = perUpstream.get(watched.resource.upstream) ?? 0;
      if (started >= (RATE_PER_SECOND * TICK_MS) / 1000) {
        this.#backlog.push(key);
        continue;
      }
      perUpstream.set(watched.resource.upstream, started + 1);
      this.#watched.delete(key);
      this.#options.refresh(watched.resource);
    }
  }
}
