// Why a project is visible or not, and how current it is: what each index said, when, and what stands in the way. Asks
// nobody: it tells what the next request would find.

import type { ReadThrough } from '../cache/read-through.ts';
import { currentAgeSeconds, remainingSeconds } from '../http-semantics/age.ts';
import type { NameRouting } from '../pages/name-routing.ts';
import type { PageFacts } from '../pages/page.ts';
import type { ProjectName } from '../pages/project-name.ts';
import type { Entry, EntryRecord } from '../store/entries/entry.ts';
import type { EntryStore } from '../store/entries/entry-store.ts';
import type { PageResources } from './page-resources.ts';

/** Where the explanation looks: routing, pages, entries and the health of upstreams. */
export interface ExplainOptions {
  readonly routing: NameRouting;
  readonly resources: PageResources;
  readonly readThrough: ReadThrough;
  readonly entries: EntryStore;
  readonly now: () => number;
}

/** One index and what is known there. Times are ISO 8601, durations seconds. */
export interface IndexExplanation {
  readonly index: string;
  /** One sentence: what this index contributes. */
  readonly verdict: string;
  readonly asked: boolean;
  readonly page?: {
    readonly state: 'fresh' | 'stale';
    readonly status: number;
    readonly validatedAt: string;
    readonly ageSeconds: number;
    readonly remainingSeconds: number;
    readonly url: string;
    readonly source: string;
    readonly sizeBytes?: number;
    readonly facts?: ExplainedFacts;
  };
  /** What upstream claims against the page, and is not yet believed. */
  readonly doubt?: { readonly claim: string; readonly firstSeen: string; readonly count: number };
  /** How asking upstream failed last, and whether the next try has to wait. */
  readonly trouble?: { readonly cause: string; readonly waiting: boolean };
}

/** The facts of a page; of the files that are kept as they were only their names. */
export type ExplainedFacts = Omit<PageFacts, 'kept' | 'known' | 'departed'> & {
  readonly kept?: readonly string[];
};

/** Why a project is visible or not, index by index; the answer of `/-/api/explain`. */
export interface ProjectExplanation {
  readonly project: ProjectName;
  /** The index to which a rule binds the name. */
  readonly boundTo?: string;
  /** The index that answers; absent when none has the project, or nobody has asked yet. */
  readonly answeredBy?: string;
  readonly indexes: readonly IndexExplanation[];
}

/** Explains a project or a file from what is stored. It asks no upstream. */
export class Explain {
  readonly #options: ExplainOptions;

  constructor(options: ExplainOptions) {
    this.#options = options;
  }

  async project(indexes: readonly string[], project: ProjectName): Promise<ProjectExplanation> {
    const { routing } = this.#options;
    const boundTo = routing.boundTo(project);
    const allowed = routing.allowed(project, indexes);
    const explained: IndexExplanation[] = [];
    let answeredBy: string | undefined;
    for (const index of indexes) {
      if (!allowed.includes(index)) {
        const verdict = `not asked: a rule binds this name to the index ${boundTo}`;
        explained.push({ index, verdict, asked: false });
      } else if (answeredBy !== undefined) {
        explained.push({ index, verdict: `not asked: ${answeredBy} has the project`, asked: false });
      } else {
        const one = await this.#index(index, project);
        if (one.page?.status === 200) answeredBy = index;
        explained.push(one);
      }
    }
    return {
      project,
      ...(boundTo !== undefined && { boundTo }),
      ...(answeredBy !== undefined && { answeredBy }),
      indexes: explained,
    };
  }

  async #index(index: string, project: ProjectName): Promise<IndexExplanation> {
    const { resources, entries, readThrough, now } = this.#options;
    const resource = resources.detail(index, project);
    const record = await entries.get(resource.key);
    const [entry] = record?.variants ?? [];
    const trouble = readThrough.trouble(resource.key);
    const remaining = entry === undefined ? 0 : remainingSeconds(entry, now(), resource.profile.rules);
    return {
      index,
      asked: true,
      verdict: verdictOn(entry, remaining, trouble !== undefined),
      ...(entry !== undefined && { page: pageOf(entry, remaining, now()) }),
      ...doubtOf(record),
      ...(trouble !== undefined && { trouble: { cause: messageOf(trouble.cause), waiting: trouble.waiting } }),
    };
  }
}

function verdictOn(entry: Entry | undefined, remaining: number, failing: boolean): string {
  if (entry === undefined)
    return failing ? 'nothing is held and upstream failed: an error' : 'nobody has asked for it yet';
  const age = remaining > 0 ? 'fresh' : failing ? 'stale, and upstream failed when it was asked last' : 'stale';
  const facts = entry.facts as PageFacts | null | undefined;
  if (entry.status === 451) return 'withheld by upstream for legal reasons';
  if (entry.status !== 200) return `upstream said that there is no such project (${age})`;
  if (facts?.status === 'quarantined') return `quarantined by upstream: no file is served (${age})`;
  return `a page is held (${age})`;
}

function pageOf(entry: Entry, remaining: number, now: number): NonNullable<IndexExplanation['page']> {
  const facts = entry.facts as PageFacts | null | undefined;
  return {
    state: remaining > 0 ? 'fresh' : 'stale',
    status: entry.status,
    validatedAt: new Date(entry.responseTime).toISOString(),
    ageSeconds: Math.round(currentAgeSeconds(entry, now)),
    remainingSeconds: Math.round(remaining),
    // A query may be a signature: of a page that was redirected to a bucket.
    url: entry.url.split('?', 1)[0]!,
    source: entry.source,
    ...(entry.body !== undefined && { sizeBytes: entry.body.sizeBytes }),
    ...(facts !== null && facts !== undefined && { facts: withFilenames(facts) }),
  };
}

function withFilenames({ kept, known: _known, departed: _departed, ...facts }: PageFacts): ExplainedFacts {
  return { ...facts, ...(kept !== undefined && { kept: kept.filenames }) };
}

function doubtOf(record: EntryRecord | undefined): Pick<IndexExplanation, 'doubt'> {
  const { doubt } = record ?? {};
  if (doubt === undefined) return {};
  const { claim, count, firstSeen } = doubt;
  return { doubt: { claim, count, firstSeen: new Date(firstSeen).toISOString() } };
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
