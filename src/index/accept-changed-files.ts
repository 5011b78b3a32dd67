// A new page of an index, measured by what is known of the project's files: a name once seen with a hash is that file
// until the operator accepts another one. What is refused stays as it was known, with an alarm; where nothing of it is
// left to be shown, the whole page is refused. Pages of several mirrors: mirror-judgement.ts, which asks here, too.

import { UpstreamFailure } from '../core/errors.ts';
import { type ChangedClaim, type Claim, claimsIn, type Departure, type Judged } from '../pages/known-hashes.ts';
import type { Move, PageFacts, PinnedHashes } from '../pages/page.ts';
import type { HeldComparison, PageSource } from '../pages/page-reader.ts';
import { ALL_OTHERS, areTooMany, MOST_KEPT_FILES } from '../pages/pinned-files.ts';
import type { ProjectName } from '../pages/project-name.ts';
import type { KnownFiles } from './known-files.ts';
import type { PagePool } from './page-pool.ts';
import type { HeldPage } from './stored-page.ts';

/** What the rule of `changed_files` works with, and whom it tells of a change. */
export interface ChangedFilesOptions {
  readonly pagePool: Pick<PagePool, 'compare' | 'kept'>;
  readonly known: KnownFiles;
  /** Indexes whose files may change their hash. */
  readonly accepting: ReadonlySet<string>;
  /**
   * What the core metadata of a file has to be, as `<algorithm>:<hex>`: by the wheel itself where that is here, else as
   * it was known where it is here; undefined when neither is.
   */
  readonly metadataHere: (
    index: string,
    project: ProjectName,
    filename: string,
    known: string,
  ) => Promise<string | undefined>;
  /** Told once of each change. */
  readonly onChanged: (project: ProjectName, filename: string, accepted: boolean) => void;
  /** Told of files that left their page; `filename` is undefined where the whole project is gone. */
  readonly onDeparted: (index: string, project: ProjectName, files: readonly DepartedOrGone[]) => void;
}

export interface DepartedOrGone extends Departure {
  readonly filename?: string;
}

/** What is to be written down when a page is accepted, by name, and what is to be told then. */
export type Notes = Pick<Judged, 'notes' | 'departed'>;

/** A page measured by what is known. */
export interface Measured {
  readonly comparison: HeldComparison;
  /** Files that do not repeat the hash that they are known by. */
  readonly changed: readonly ChangedClaim[];
  /** Files whose core metadata does not, although they themselves do. */
  readonly metadata: readonly ChangedClaim[];
  readonly notes: Notes;
}

/** How the names of a page are measured by what is known of them. */
export interface MeasureOptions {
  readonly declared?: readonly Move[];
  /** Of which files another hash is accepted, beside those of an accepting index. */
  readonly believed?: (claim: Claim) => boolean;
}

/** What is remembered with an accepted page of the files that are not shown as the index lists them. */
export type KnownFacts = Pick<PageFacts, 'kept' | 'pinned' | 'metadata' | 'known'>;

/**
 * The rule of `changed_files`: a file name once seen with a hash is that file. It says what clients see instead of a
 * change.
 */
export class ChangedFiles {
  readonly #options: ChangedFilesOptions;
  /** By the facts of a page that may become the stored one. */
  readonly #notes = new WeakMap<object, Notes>();

  constructor(options: ChangedFilesOptions) {
    this.#options = options;
  }

  /** Measures a page by the one that is held, if any, and by what is known of its files. */
  async measure(
    index: string,
    project: ProjectName,
    held: HeldPage | undefined,
    candidate: PageSource | undefined,
    { declared = [], believed = () => false }: MeasureOptions = {},
  ): Promise<Measured> {
    const { pagePool, known, accepting } = this.#options;
    // A page that was stored before names were written down has them all to tell.
    const wanted = factsOf(held)?.known === true ? 'differing' : 'all';
    const comparison = await pagePool.compare(held?.source, candidate, declared, wanted);
    const accepts = (claim: Claim) => accepting.has(index) || believed(claim);
    const judged = await known.judge(index, project, comparison.claims, accepts, held?.entry.responseTime);
    const changed = judged.changed.filter(({ what }) => what === 'file');
    const names = new Set(changed.map(({ filename }) => filename));
    // The known hash is repeated, but one of another algorithm is not what the held page gave.
    const contradicting = new Set(comparison.changedFiles.filter((filename) => !names.has(filename)));
    for (const claim of contradicting.size === 0 ? [] : comparison.claims.flatMap(claimsIn)) {
      if (claim.what !== 'file' || !contradicting.has(claim.filename)) continue;
      changed.push({ ...claim, known: claim.before[0] ?? '' });
      names.add(claim.filename);
    }
    const metadata = judged.changed.filter(({ what, filename }) => what === 'metadata' && !names.has(filename));
    return { comparison, changed, metadata, notes: judged };
  }

  /**
   * The facts of a measured page of an index with one upstream: what has changed is an alarm, and stays as it was known
   * unless that is accepted. Rejects with an UpstreamFailure when too many files have changed.
   */
  async judge(index: string, project: ProjectName, held: HeldPage | undefined, measured: Measured) {
    const isAccepting = this.#options.accepting.has(index);
    const { changed, metadata } = measured;
    this.alarm(project, held, [...changed, ...metadata], isAccepting);
    if (isAccepting) return KNOWN;
    if (changed.length > MOST_KEPT_FILES) throw tooMany(project, changed.length);
    return this.asKnown(index, project, held, measured);
  }

  /** How the files that have changed go on being shown. Rejects with an UpstreamFailure when they are too many. */
  async asKnown(
    index: string,
    project: ProjectName,
    held: HeldPage | undefined,
    { changed, metadata }: Pick<Measured, 'changed' | 'metadata'>,
  ): Promise<KnownFacts> {
    const filenames = changed.map(({ filename }) => filename);
    const kept =
      held === undefined || changed.length === 0
        ? undefined
        : await this.#options.pagePool.kept(held.source, filenames);
    if (kept !== undefined && areTooMany(kept)) throw tooMany(project, changed.length);
    const shown = new Set(kept?.filenames);
    const gone = changed.filter(({ filename }) => !shown.has(filename));
    const pinned = Object.fromEntries(gone.map(({ filename, known }) => [filename, known]));
    return {
      ...KNOWN,
      ...(kept && { kept }),
      ...(gone.length > 0 && { pinned }),
      ...(metadata.length > 0 && { metadata: await this.#metadataAsKnown(index, project, metadata) }),
    };
  }

  /** Tells once of what has changed: not again of what the held page shows as it was known. */
  alarm(project: ProjectName, held: HeldPage | undefined, claims: readonly Claim[], accepted: boolean): void {
    const facts = factsOf(held);
    const told = new Set([...(facts?.kept?.filenames ?? []), ...Object.keys(facts?.pinned ?? {})]);
    for (const filename of Object.keys(facts?.metadata ?? {})) told.add(`${filename}.metadata`);
    const names = claims.map(({ filename, what }) => (what === 'file' ? filename : `${filename}.metadata`));
    for (const name of names.filter((one) => !told.has(one)).slice(0, MOST_KEPT_FILES)) {
      this.#options.onChanged(project, name, accepted);
    }
  }

  /** These notes are of the page with these facts. */
  remember(facts: object, notes: Notes): void {
    this.#notes.set(facts, notes);
  }

  /** The page with these facts is about to be stored: its names are written down first. */
  async accepted(index: string, project: ProjectName, facts: unknown, isCurrent: () => boolean): Promise<void> {
    const notes = typeof facts === 'object' && facts !== null ? this.#notes.get(facts) : undefined;
    if (notes === undefined) return;
    await this.#options.known.note(index, project, notes.notes, isCurrent);
    if (notes.departed.length > 0) this.#options.onDeparted(index, project, notes.departed);
  }

  /** The index has no such project any more: all its files have left. */
  async gone(index: string, project: ProjectName, held: HeldPage | undefined, isCurrent: () => boolean): Promise<void> {
    const { known } = this.#options;
    if (held !== undefined && factsOf(held)?.known !== true) {
      const { notes } = await this.measure(index, project, held, undefined);
      await known.note(index, project, notes.notes, isCurrent);
      if (notes.departed.length > 0) this.#options.onDeparted(index, project, notes.departed);
    }
    const departed = await known.noteGone(index, project, isCurrent);
    if (departed.length > 0) this.#options.onDeparted(index, project, departed);
  }

  async #metadataAsKnown(index: string, project: ProjectName, claims: readonly ChangedClaim[]): Promise<PinnedHashes> {
    const pinned: Record<string, string> = {};
    for (const { filename, known } of claims.slice(0, MOST_KEPT_FILES)) {
      pinned[filename] = (await this.#options.metadataHere(index, project, filename, known)) ?? '';
    }
    // So much metadata was made anew that naming it all would burden the entry: the wheels themselves tell.
    return claims.length > MOST_KEPT_FILES ? { ...pinned, [ALL_OTHERS]: '' } : pinned;
  }
}

const KNOWN: KnownFacts = { known: true };

function factsOf(held: HeldPage | undefined): PageFacts | null | undefined {
  return held?.entry.facts as PageFacts | null | undefined;
}

function tooMany(project: ProjectName, count: number): UpstreamFailure {
  const detail = `The index gives ${count} files of ${project} another hash than before; its page is not believed.`;
  return new UpstreamFailure('invalid-body', detail);
}
