// Purges among the nodes that share a Redis: each tells its own orders and carries out those of the others, also those
// that were given while it was away. Without Redis an order is this node's alone until it is back.

import { readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ProjectName } from '../pages/project-name.ts';
import type { PurgeMarks, PurgeOrder } from '../store/redis/purge-marks.ts';
import { BEFORE_ALL, isBehind, type SharedPurges, timeOf } from '../store/redis/redis-purges.ts';
import type { Purger } from './purger.ts';

/** The shared stream of orders, and what carries them out here. */
export interface PurgeExchangeOptions {
  readonly shared: Pick<SharedPurges, 'tell' | 'after' | 'startOver'>;
  readonly marks: PurgeMarks;
  /** Reaches all processes of this node. */
  readonly purger: Pick<Purger, 'purge'>;
  /** Marks this node's copies of a project that was written to. */
  readonly outdate: (project: ProjectName) => Promise<void>;
  /** Names this node; the same in all its processes. */
  readonly node: string;
  readonly dataDir: string;
  readonly now: () => number;
  readonly onUnexpected: (error: unknown) => void;
}

const POLL_MS = 500;
/** By then a node that reads has read: one pause, and the reading itself. */
const HEARD_MS = POLL_MS + 100;
/** Until the first read: what was purged while we were away must not be served for a second. */
const FIRST_POLL_MS = 50;
/** What may lie between the clocks of two nodes: what was validated so shortly after an order is asked for once more. */
const CLOCKS_MS = 5_000;
/** How far the clock of Redis may be ahead of ours. A position beyond that was made up. */
const REDIS_CLOCK_MS = 60 * 60 * 1_000;
/** Orders that wait for Redis. */
const MOST_WAITING = 1_000;
/** Holds how far this node has read; when it is lost, orders are carried out once more, which removes nothing newer. */
const FILE = 'purges-seen';
const POSITION = /^\d+-\d+$/;

/** Tells the orders of this node to the others and carries out theirs, once each. */
export class PurgeExchange {
  readonly #options: PurgeExchangeOptions;
  readonly #waiting: PurgeOrder[] = [];
  /** Read until here by this process. */
  #position = BEFORE_ALL;
  #hasRead = false;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: PurgeExchangeOptions) {
    this.#options = options;
  }

  /** Reads what there is as soon as it can, and from then on twice a second; never rejects. */
  async start(): Promise<void> {
    await this.#exchange().catch(this.#options.onUnexpected);
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.start(), this.#hasRead ? POLL_MS : FIRST_POLL_MS).unref();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  /** `later`: Redis does not take it now, and is told when it does, as long as this process lives. */
  tell(project: ProjectName | undefined): Promise<'told' | 'later'> {
    return this.#tell({ project, until: this.#options.now() + CLOCKS_MS });
  }

  /** The project was written to. With 'told' the other nodes that are there know it when this resolves. */
  async tellWritten(project: ProjectName): Promise<'told' | 'later'> {
    const told = await this.#tell({ project, until: this.#options.now() + CLOCKS_MS, keep: true });
    if (told === 'told') await sleep(HEARD_MS);
    return told;
  }

  async #tell(order: PurgeOrder): Promise<'told' | 'later'> {
    const { marks, shared, node } = this.#options;
    marks.note(order);
    if (await shared.tell(node, order)) return 'told';
    if (this.#waiting.length < MOST_WAITING) this.#waiting.push(order);
    return 'later';
  }

  async #exchange(): Promise<void> {
    const { shared, marks, purger, outdate, node, dataDir } = this.#options;
    for (let order = this.#waiting[0]; order !== undefined; order = this.#waiting[0]) {
      if (!(await shared.tell(node, order))) return;
      this.#waiting.shift();
    }
    const found = await shared.after(this.#position);
    if (found === undefined) return;
    this.#hasRead = true;
    const { orders, last } = found;
    if (last === undefined) return;
    // By this node, before its start or by another one of its processes.
    const seen = seenBefore(dataDir);
    const carriedOut = this.#isBelievable(seen) ? seen : BEFORE_ALL;
    const due = new Map<string | undefined, number>();
    const written = new Set<string>();
    for (const { from, project, until: claimed, position, keep } of orders) {
      // No order speaks of what is validated after it arrived, whatever its sender's clock says.
      const until = Math.min(claimed, this.#options.now() + CLOCKS_MS);
      marks.note({ project, until });
      if (from === node || !isBehind(position, carriedOut)) continue;
      if (keep === true && project !== undefined) written.add(project);
      else due.set(project, Math.max(due.get(project) ?? 0, until));
    }
    for (const project of written) await outdate(project as ProjectName);
    for (const [project, until] of due) await purger.purge(project as ProjectName | undefined, until);
    if (!this.#isBelievable(last)) {
      // Redis gives no position before the last one. A node that took this one over would see no order of the real
      // time any more, so the stream begins anew, and so does the reading.
      await shared.startOver();
      this.#position = BEFORE_ALL;
      return;
    }
    this.#position = last;
    await this.#remember(this.#position);
  }

  #isBelievable(position: string): boolean {
    return timeOf(position) <= this.#options.now() + REDIS_CLOCK_MS;
  }

  async #remember(position: string): Promise<void> {
    const path = join(this.#options.dataDir, FILE);
    const temporary = `${path}.${process.pid}`;
    try {
      await writeFile(temporary, `${position}\n`, { mode: 0o600 });
      await rename(temporary, path);
    } catch (error) {
      // A full or failing disk: told of elsewhere, and without the file orders are only carried out once more.
      if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    }
  }
}

function seenBefore(dataDir: string): string {
  try {
    const text = readFileSync(join(dataDir, FILE), 'utf8').trim();
    return POSITION.test(text) ? text : BEFORE_ALL;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    return BEFORE_ALL;
  }
}
