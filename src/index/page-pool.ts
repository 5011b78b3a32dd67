// Where page work is done: small pages on this thread, for the hand-over would cost more than the work; large ones on
// one worker thread, so that a page of 40,000 files keeps nobody else waiting.

import { Worker } from 'node:worker_threads';
import { digestOf } from '../core/digest.ts';
import { UpstreamFailure } from '../core/errors.ts';
import type { DocumentForm, DocumentKind } from '../pages/documents.ts';
import { InvalidPage } from '../pages/invalid-page.ts';
import type { NameRoute } from '../pages/name-routing.ts';
import type { PageFormat } from '../pages/negotiate.ts';
import type { KeptFiles, Move, PageFacts } from '../pages/page.ts';
import {
  type Checked,
  type FoundRecords,
  type HeldComparison,
  PageReader,
  type PageSource,
  type ReaderLimits,
  type SourceOfIndex,
  type WantedClaims,
} from '../pages/page-reader.ts';
import type { Ages, Screen } from '../pages/screen.ts';
import type { View } from '../policy/policy.ts';

/** One piece of work, as it travels to the worker; `body` is left out when the worker should still have the page. */
export type PageJob =
  | { readonly task: 'check'; readonly source: PageSource }
  | { readonly task: 'render'; readonly source: PageSource; readonly format: PageFormat }
  | { readonly task: 'find'; readonly source: PageSource; readonly key: string; readonly filename: string }
  | {
      readonly task: 'merge';
      readonly lists: readonly SourceOfIndex[];
      readonly routes: readonly NameRoute[];
      readonly format: PageFormat;
    }
  | {
      readonly task: 'compare';
      readonly source: PageSource | undefined;
      readonly held: PageSource | undefined;
      readonly declared: readonly Move[];
      readonly wanted: WantedClaims;
    }
  | { readonly task: 'kept'; readonly source: PageSource; readonly filenames: readonly string[] }
  | {
      readonly task: 'screen';
      readonly source: PageSource;
      readonly view: View;
      readonly ages: Ages;
      readonly now: number;
    }
  | { readonly task: 'check-document'; readonly source: PageSource; readonly kind: DocumentKind }
  | { readonly task: 'document'; readonly source: PageSource; readonly form: DocumentForm };

/** What the page thread answers to a job, by its number. */
export type JobReply = {
  readonly id: number;
  /** What the worker occupies by now, needed or not; bytes. */
  readonly memoryBytes: number;
} & ({ readonly result: unknown } | { readonly problem: string; readonly invalid: boolean });

/** Bodies above this size go to the worker. */
const INLINE_BYTES = 96 * 1024;
/** What a coded body counts for: pages grow so much when they are decoded, and a bomb of that size does little harm. */
const CODED_WEIGHT = 8;
/**
 * Parsed pages kept, by the size of their decoded bodies; the parsed form takes twice as much. They are for what
 * follows at once, the rendering; to parse a page that is so small once more takes a millisecond at most.
 */
const PARSED_BYTES = 256 * 1024;

/**
 * An idle thread collects no garbage: one that has read a list of all projects, or the first 64 MB of a bomb, would keep
 * hundreds of megabytes. It ends when it occupies that much and has been idle for so long.
 */
const SWOLLEN_BYTES = 48 * 1024 * 1024;
const RETIRE_AFTER_MS = 2_000;
/**
 * For one job, the start of the thread included: others wait behind it. A page of 40,000 files (30 MB) takes a second and
 * may take nine, a small body that is made to cost much is given up after three.
 */
const DEADLINE_MS = 3_000;
const DEADLINE_MS_PER_MB = 200;
/** Of the thread's heap; a list of 600,000 projects takes a quarter of it. */
const MAX_HEAP_MB = 1_536;
/** A rejected body is not read again for so long. */
const REMEMBERED_MS = 60_000;
const MOST_REMEMBERED = 256;

/** Where tests set other times than the usual ones; milliseconds. */
export interface PagePoolTimes {
  readonly retireAfterMs?: number;
  readonly deadlineMs?: number;
}

/** Why a page thread was ended: the job took too long or too much memory, or the thread died by itself. */
export type ThreadEnd = 'time' | 'memory' | 'error';

/** Told of a thread that was ended, and of the page that it was at; `project` is undefined for a project list. */
export type OnThreadEnded = (why: ThreadEnd, project: string | undefined) => void;

interface Waiting {
  readonly job: PageJob;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Reads and renders pages: small ones on this thread, large ones on a thread of their own, which is ended when it
 * takes too long.
 */
export class PagePool {
  readonly #limits: ReaderLimits;
  readonly #retireAfterMs: number;
  readonly #deadlineMs: number | undefined;
  readonly #onThreadEnded: OnThreadEnded;
  readonly #inline: PageReader;
  /** In the order of their turns: the thread is at the first one. */
  readonly #waiting = new Map<number, Waiting>();
  readonly #rejected = new Map<string, { readonly problem: string; readonly until: number }>();
  #deadline: NodeJS.Timeout | undefined;
  #worker: Worker | undefined;
  #jobs = 0;
  #retirement: NodeJS.Timeout | undefined;

  constructor(limits: ReaderLimits, times: PagePoolTimes = {}, onThreadEnded: OnThreadEnded = () => {}) {
    this.#onThreadEnded = onThreadEnded;
    this.#limits = limits;
    this.#retireAfterMs = times.retireAfterMs ?? RETIRE_AFTER_MS;
    this.#deadlineMs = times.deadlineMs;
    this.#inline = new PageReader(limits, PARSED_BYTES);
  }

  /** Rejects with an UpstreamFailure of kind 'invalid-body' when the body is no index page. */
  check(source: PageSource): Promise<Checked> {
    return accepted(
      'index page',
      this.#run({ task: 'check', source }, (reader) => reader.check(source)),
    );
  }

  /** What a page says that differs from the held one (PageReader.compare). Both have been checked. */
  compare(
    held: PageSource | undefined,
    source: PageSource | undefined,
    declared: readonly Move[],
    wanted: WantedClaims,
  ): Promise<HeldComparison> {
    const job: PageJob = { task: 'compare', source, held, declared, wanted };
    return this.#run(job, (reader) => reader.compare(held, source, declared, wanted));
  }

  /** The records of these files on a page, as clients see them. Undefined for none of them. */
  kept(source: PageSource, filenames: readonly string[]): Promise<KeptFiles | undefined> {
    return this.#run({ task: 'kept', source, filenames }, (reader) => reader.kept(source, filenames));
  }

  /** Facts of another document. Rejects with an UpstreamFailure of kind 'invalid-body' when the body is none. */
  checkDocument(source: PageSource, kind: DocumentKind): Promise<PageFacts> {
    const job: PageJob = { task: 'check-document', source, kind };
    return accepted(
      'such document',
      this.#run(job, (reader) => reader.checkDocument(source, kind)),
    );
  }

  /** A document's bytes as clients get them. */
  document(source: PageSource, form: DocumentForm): Promise<Buffer> {
    return this.#run({ task: 'document', source, form }, (reader) => reader.document(source, form));
  }

  /** The lists of several indexes as one. */
  merge(lists: readonly SourceOfIndex[], routes: readonly NameRoute[], format: PageFormat): Promise<Buffer> {
    return this.#run({ task: 'merge', lists, routes, format }, (reader) => reader.merge(lists, routes, format));
  }

  render(source: PageSource, format: PageFormat): Promise<Buffer> {
    return this.#run({ task: 'render', source, format }, (reader) => reader.render(source, format));
  }

  /** What the policy keeps out of a page (screen.ts). */
  screen(source: PageSource, view: View, ages: Ages, now: number): Promise<Screen> {
    const job: PageJob = { task: 'screen', source, view, ages, now };
    return this.#run(job, (reader) => reader.screen(source, view, ages, now));
  }

  find(source: PageSource, key: string, filename: string): Promise<FoundRecords> {
    return this.#run({ task: 'find', source, key, filename }, (reader) => reader.find(source, key, filename));
  }

  async close(): Promise<void> {
    clearTimeout(this.#retirement);
    clearTimeout(this.#deadline);
    await this.#worker?.terminate();
  }

  async #run<T>(job: PageJob, inline: (reader: PageReader) => T): Promise<T> {
    if (sizeOf(job) <= INLINE_BYTES) return inline(this.#inline);
    const bad = rejectionKey(job);
    const known = bad === undefined ? undefined : this.#rejected.get(bad);
    if (known !== undefined && performance.now() < known.until) throw new InvalidPage(known.problem);
    const result = await this.#send(job).catch((error: unknown) => {
      if (bad !== undefined && error instanceof InvalidPage) this.#remember(bad, error.message);
      throw error;
    });
    return (
      result instanceof Uint8Array ? Buffer.from(result.buffer, result.byteOffset, result.byteLength) : result
    ) as T;
  }

  #remember(key: string, problem: string): void {
    this.#rejected.delete(key);
    this.#rejected.set(key, { problem, until: performance.now() + REMEMBERED_MS });
    if (this.#rejected.size > MOST_REMEMBERED) this.#rejected.delete(this.#rejected.keys().next().value!);
  }

  #send(job: PageJob): Promise<unknown> {
    this.#worker ??= this.#start();
    const worker = this.#worker;
    const id = this.#jobs++;
    clearTimeout(this.#retirement);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { job, resolve, reject });
      if (this.#waiting.size === 1) this.#beginTurn(worker);
      worker.ref();
      worker.postMessage({ id, job });
    });
  }

  /** The thread comes to the first of the jobs that wait. */
  #beginTurn(worker: Worker): void {
    clearTimeout(this.#deadline);
    const [first] = this.#waiting.values();
    if (first === undefined) return;
    const deadlineMs = this.#deadlineMs ?? DEADLINE_MS + (DEADLINE_MS_PER_MB * sizeOf(first.job)) / 1_000_000;
    const tooLong = new TooCostly('time', `it takes longer than ${Math.round(deadlineMs)} ms to read`);
    this.#deadline = setTimeout(() => this.#lost(worker, tooLong), deadlineMs).unref();
  }

  #start(): Worker {
    // The name of this file ends as it runs: .ts from the sources, .js in the package.
    const file = new URL(`./page-worker${import.meta.url.slice(import.meta.url.lastIndexOf('.'))}`, import.meta.url);
    const worker = new Worker(file, {
      workerData: this.#limits,
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
    });
    worker.on('message', (reply: JobReply) => this.#settle(worker, reply));
    worker.on('error', (error) => this.#lost(worker, asCost(error as Error)));
    worker.on('exit', () => this.#lost(worker, new Error('the page worker ended')));
    worker.unref();
    return worker;
  }

  #settle(worker: Worker, reply: JobReply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    this.#beginTurn(worker);
    // An idle worker must not keep the process alive.
    if (this.#waiting.size === 0) {
      worker.unref();
      if (reply.memoryBytes > SWOLLEN_BYTES)
        this.#retirement = setTimeout(() => this.#retire(worker), this.#retireAfterMs).unref();
    }
    if ('result' in reply) waiting?.resolve(reply.result);
    else waiting?.reject(reply.invalid ? new InvalidPage(reply.problem) : new Error(reply.problem));
  }

  /** The next job starts another one. */
  #retire(worker: Worker): void {
    this.#worker = undefined;
    void worker.terminate();
  }

  /**
   * A thread that died or takes too long fails the job it was at. The jobs behind that one are not its fault: another
   * thread begins with them.
   */
  #lost(worker: Worker, error: Error): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    void worker.terminate();
    clearTimeout(this.#deadline);
    const waiting = [...this.#waiting.entries()];
    this.#waiting.clear();
    if (waiting.length === 0) return;
    this.#onThreadEnded(error instanceof TooCostly ? error.why : 'error', projectOf(waiting[0]![1].job));
    // Checks of the page that was too costly fail together: each would cost as much again.
    const tooCostly = error instanceof TooCostly ? rejectionKey(waiting[0]![1].job) : undefined;
    const failure = tooCostly === undefined ? error : new InvalidPage(error.message);
    const fails = ([, { job }]: [number, Waiting], at: number): boolean =>
      at === 0 || (tooCostly !== undefined && rejectionKey(job) === tooCostly);
    const others = waiting.filter((one, at) => !fails(one, at));
    for (const [, { reject }] of waiting.filter(fails)) reject(failure);
    if (others.length === 0) return;
    const next = this.#start();
    this.#worker = next;
    next.ref();
    for (const [id, one] of others) {
      this.#waiting.set(id, one);
      next.postMessage({ id, job: one.job });
    }
    this.#beginTurn(next);
  }
}

/** A job went beyond the thread's time or memory. */
class TooCostly extends Error {
  readonly why: Exclude<ThreadEnd, 'error'>;

  constructor(why: Exclude<ThreadEnd, 'error'>, message: string) {
    super(message);
    this.why = why;
  }
}

function projectOf(job: PageJob): string | undefined {
  return 'source' in job ? job.source?.project : undefined;
}

function asCost(error: Error): Error {
  const isMemory = (error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY';
  return isMemory ? new TooCostly('memory', `it takes more than ${MAX_HEAP_MB} MB of memory to read`) : error;
}

/**
 * What a rejection is remembered under; undefined for work on pages that were accepted once: too much time on a busy
 * machine does not make them invalid.
 */
function rejectionKey(job: PageJob): string | undefined {
  if (job.task !== 'check' && job.task !== 'check-document') return undefined;
  const { digest, contentType, contentEncoding, url, project } = job.source;
  return digestOf(
    Buffer.from(
      JSON.stringify([digest, contentType, contentEncoding, url, project, job.task === 'check' ? '' : job.kind]),
    ),
  );
}

function sizeOf(job: PageJob): number {
  if (job.task === 'compare')
    return [job.source, job.held].reduce((sum, page) => sum + (page ? sizeOfBody(page) : 0), 0);
  if (job.task !== 'merge') return sizeOfBody(job.source);
  return job.lists.reduce((sum, { source }) => sum + sizeOfBody(source), 0);
}

function sizeOfBody({ body, contentEncoding }: PageSource): number {
  return contentEncoding === undefined ? body.length : CODED_WEIGHT * body.length;
}

/** What upstream sent is no such thing: a failure of upstream's, not of the reader's. */
async function accepted<T>(what: string, checking: Promise<T>): Promise<T> {
  try {
    return await checking;
  } catch (error) {
    if (!(error instanceof InvalidPage)) throw error;
    throw new UpstreamFailure('invalid-body', `Upstream's answer is no ${what}: ${error.message}.`, { cause: error });
  }
}
