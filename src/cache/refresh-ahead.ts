// Refreshes what is asked for repeatedly shortly before it goes stale, so that nobody waits for it: a key that was
// asked for at least twice since it was validated (the request that validated it counts) is read again ahead of its
// expiry, with jitter, and at most RATE times a second per upstream. Asked for the second time when that moment is
// over but the copy still fresh, it is read again at once.

import type { Resource } from './profile.ts';

const RATE_PER_SECOND = 20;
const TICK_MS = 250;
/** The refresh happens this share of the lifetime before the end, between the two. */
const EARLIEST = 0.2;
const LATEST = 0.08;

interface Watched {
  readonly resource: Resource;
  readonly expiresAt: number;
  asks: number;
  /** `early`: its moment is to come; `late`: it passed, and too few had asked; `due`: it stands in the queue. */
  state: 'early' | 'late' | 'due';
  /** The tick that is to look at it next; lists of other ticks that name its key are out of date. */
  tick: number;
}

/** The clock, the spread in [0, 1), and how many refreshes a second an upstream gets. */
export interface RefreshAheadOptions {
  readonly now: () => number;
  readonly random: () => number;
  /** Starts the refresh; its failure is nobody's here. */
  readonly refresh: (resource: Resource) => void;
}

/** Refreshes entries that are asked for repeatedly before they go stale. */
export class RefreshAhead {
  readonly #watched = new Map<string, Watched>();
  /** Keys by the tick that is to look at them. */
  readonly #ticks = new Map<number, string[]>();
  readonly #backlog: string[] = [];
  readonly #options: RefreshAheadOptions;
  readonly #timer: NodeJS.Timeout;

  constructor(options: RefreshAheadOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#timer.unref();
  }

  /** The key was validated just now and is fresh for `remainingMs`. */
  validated(resource: Resource, remainingMs: number): void {
    this.#watch(resource, remainingMs);
  }

  /** A client was answered from the fresh copy, which stays fresh for `remainingMs`. */
  asked(resource: Resource, remainingMs: number): void {
    const watched = this.#watched.get(resource.key);
    if (watched === undefined) {
      this.#watch(resource, remainingMs);
      return;
    }
    watched.asks++;
    if (watched.state === 'late') this.#enqueue(resource.key, watched);
  }

  /** Whether a refresh is on its way although it has not begun: the copy may then be served without waiting. */
  pending(key: string): boolean {
    return this.#watched.get(key)?.state === 'due';
  }

  forget(key: string): void {
    this.#watched.delete(key);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#watched.clear();
    this.#ticks.clear();
  }

  #watch(resource: Resource, remainingMs: number): void {
    const now = this.#options.now();
    const share = LATEST + (EARLIEST - LATEST) * this.#options.random();
    const watched: Watched = { resource, expiresAt: now + remainingMs, asks: 1, state: 'early', tick: 0 };
    this.#watched.set(resource.key, watched);
    this.#lookAgain(watched, now + remainingMs * (1 - share));
  }

  #lookAgain(watched: Watched, at: number): void {
    watched.tick = tickOf(at);
    const keys = this.#ticks.get(watched.tick);
    if (keys === undefined) this.#ticks.set(watched.tick, [watched.resource.key]);
    else keys.push(watched.resource.key);
  }

  #tick(): void {
    const current = tickOf(this.#options.now());
    for (const [tick, keys] of this.#ticks) {
      if (tick > current) continue;
      this.#ticks.delete(tick);
      for (const key of keys) this.#look(key, tick);
    }
    this.#startSome();
  }

  #look(key: string, tick: number): void {
    const watched = this.#watched.get(key);
    if (watched === undefined || watched.tick !== tick || watched.state === 'due') return;
    if (watched.asks >= 2) this.#enqueue(key, watched);
    else if (watched.state === 'late') this.#watched.delete(key);
    else {
      watched.state = 'late';
      this.#lookAgain(watched, watched.expiresAt);
    }
  }

  #enqueue(key: string, watched: Watched): void {
    watched.state = 'due';
    this.#backlog.push(key);
  }

  #startSome(): void {
    const perUpstream = new Map<string, number>();
    const waiting = this.#backlog.splice(0);
    for (const key of waiting) {
      const watched = this.#watched.get(key);
      if (watched?.state !== 'due') continue;
      const { resource } = watched;
      const started = perUpstream.get(resource.upstream) ?? 0;
      if (started >= (RATE_PER_SECOND * TICK_MS) / 1000) {
        this.#backlog.push(key);
        continue;
      }
      perUpstream.set(resource.upstream, started + 1);
      this.#watched.delete(key);
      this.#options.refresh(resource);
    }
  }
}

function tickOf(time: number): number {
  return Math.floor(time / TICK_MS);
}
