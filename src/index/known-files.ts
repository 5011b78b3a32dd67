// Where it is stored by which hash each file name of a project was first seen, whether a page lists it or not, and its
// core metadata likewise. It outlives pages, 404s and restarts; a purge of the project forgets it.
//
// A project has one record, `known:<scope of the index>:<project>:`. One that grows too large is split into sixteen by the next digit
// of the names' digests, as often as needed: a lookup reads as few records as there are digits, whatever has left.

import { setImmediate as turn } from 'node:timers/promises';
import {
  type ChangedClaim,
  type Claim,
  type ClaimBatch,
  claimsIn,
  type DepartedFile,
  type Departure,
  decodeKnown,
  departureOf,
  encodeKnown,
  type Judged,
  judgeClaims,
  type KnownHash,
  nameOf,
} from '../pages/known-hashes.ts';
import type { ProjectName } from '../pages/project-name.ts';
import type { Ages } from '../pages/screen.ts';
import type { EntryRecord } from '../store/entries/entry.ts';
import type { EntryStore } from '../store/entries/entry-store.ts';

/** Where known names are stored, the clock in milliseconds since the epoch, and the scope of each index. */
export interface KnownFilesOptions {
  readonly entries: Pick<EntryStore, 'reread' | 'peek' | 'getShared' | 'set'>;
  readonly now: () => number;
  /** The name under which the data of an index is kept (index-scope.ts). */
  readonly scopeOf: (index: string) => string;
}

/** Names in one record: some 120 bytes each, and a record may have 256 KB. */
const MOST_NAMES = 800;
/** Records handled before others have their turn. */
const AT_ONCE = 8;

type Leaf = Map<string, readonly KnownHash[]>;
type Node = Leaf | 'split';

/** The store of known file names, one record a project, split when it grows. */
export class KnownFiles {
  readonly #options: KnownFilesOptions;

  constructor(options: KnownFilesOptions) {
    this.#options = options;
  }

  /**
   * Measures what a page claims by what is known. `heldValidatedAt`: when the page that is held was validated last, in
   * milliseconds since the epoch. Writes nothing of the page: `note` does, once it is accepted.
   */
  async judge(
    index: string,
    project: ProjectName,
    batches: readonly ClaimBatch[],
    accepts: (claim: Claim) => boolean,
    heldValidatedAt: number | undefined,
  ): Promise<Judged> {
    const changed: ChangedClaim[] = [];
    const notes = new Map<string, readonly KnownHash[]>();
    const departed: DepartedFile[] = [];
    const page = { heldValidatedAt, validatedAt: this.#options.now() };
    for (const batch of batches) {
      const claims = claimsIn(batch);
      const known = new Map<string, readonly KnownHash[]>();
      await this.#collect(this.#root(index, project), '', [...new Set(claims.map(({ name }) => name))], known);
      const judged = judgeClaims(claims, (name) => known.get(name) ?? NOTHING, accepts, page);
      changed.push(...judged.changed);
      departed.push(...judged.departed);
      for (const [name, note] of judged.notes) notes.set(name, note);
      if (batches.length > 1) await turn();
    }
    return { changed, notes, departed };
  }

  /** Since when the names of a project's files age. */
  async ages(index: string, project: ProjectName): Promise<Ages> {
    const ages = new Map<string, number | undefined>();
    const visit = async (key: string): Promise<void> => {
      const node = await this.#look(key);
      if (node === 'split') for (const digit of '0123456789abcdef') await visit(key + digit);
      else for (const [name, known] of node) ages.set(name, sinceSecondsOf(known));
    };
    await visit(this.#root(index, project));
    return ages;
  }

  /** When the file left its page; undefined while a page lists it, or nothing is known of it. */
  async departure(index: string, project: ProjectName, filename: string): Promise<Departure | undefined> {
    const name = nameOf(filename, 'file');
    const known: Leaf = new Map();
    await this.#collect(this.#root(index, project), '', [name], known);
    return departureOf(known.get(name) ?? NOTHING);
  }

  /**
   * Writes down what `judge` found. A purge must not be undone by the page that it overtook:
   *
   *   1. a fetch brings the old page and begins to write down its names;
   *   2. the project is purged: its records are removed, and the fetch is overtaken;
   *   3. the fetch would write the rest of the names again.
   *
   * So `isCurrent` is asked before each record, which is read and written without a pause between.
   */
  async note(
    index: string,
    project: ProjectName,
    notes: ReadonlyMap<string, readonly KnownHash[]>,
    isCurrent: () => boolean,
  ): Promise<void> {
    if (notes.size > 0) await this.#write(this.#root(index, project), '', notes, isCurrent, { records: 0 });
  }

  /**
   * Notes that no page lists any file of the project: it is gone. Resolves with when those that were listed until now
   * left, and since when their ages count.
   */
  async noteGone(index: string, project: ProjectName, isCurrent: () => boolean): Promise<readonly Departure[]> {
    const leftSeconds = Math.floor(this.#options.now() / 1000);
    const departures: Departure[] = [];
    await this.#gone(this.#root(index, project), '', leftSeconds, isCurrent, { records: 0 }, departures);
    return departures;
  }

  #root(index: string, project: ProjectName): string {
    return `known:${this.#options.scopeOf(index)}:${project}:`;
  }

  async #collect(root: string, prefix: string, names: readonly string[], found: Leaf): Promise<void> {
    if (names.length === 0) return;
    const node = await this.#look(root + prefix);
    if (node === 'split') {
      for (const [digit, below] of byDigit(names, prefix.length))
        await this.#collect(root, prefix + digit, below, found);
      return;
    }
    for (const name of names) {
      const known = node.get(name);
      if (known !== undefined) found.set(name, known);
    }
  }

  /** The record here, with what the other nodes know beside it, which is ours from then on. */
  async #look(key: string): Promise<Node> {
    const sharedRecord = await this.#options.entries.getShared(key);
    const shared = nodeOf(sharedRecord);
    const ownRecord = this.#ownRecord(key);
    const own = nodeOf(ownRecord);
    if (shared === undefined) return own ?? new Map();
    if (own === undefined) {
      await this.#put(key, shared);
      return shared;
    }
    // One of the nodes knows more names than one record holds: what stands in the other's one record goes below it.
    if (own === 'split' || shared === 'split') {
      if (own !== 'split') await this.#split(key, own);
      else if (shared !== 'split') await this.#split(key, shared);
      return 'split';
    }
    // A page that another node fetched is ours without a look at its files: that node noted which of them have left.
    const isNewer = writtenAt(sharedRecord) > writtenAt(ownRecord);
    const missing = [...shared].filter(([name, known]) => {
      const ours = own.get(name);
      return ours === undefined || (isNewer && hasLeft(ours) !== hasLeft(known));
    });
    if (missing.length === 0) return own;
    const both = new Map([...own, ...missing]);
    await this.#put(key, both);
    return both;
  }

  async #write(
    root: string,
    prefix: string,
    notes: ReadonlyMap<string, readonly KnownHash[]>,
    isCurrent: () => boolean,
    pace: { records: number },
  ): Promise<void> {
    const key = root + prefix;
    if (!isCurrent()) return;
    const own = this.#own(key) ?? (new Map() as Leaf);
    if (own !== 'split') {
      const merged: Leaf | undefined = notes.size > MOST_NAMES ? undefined : new Map([...own, ...notes]);
      for (const [name, known] of notes) if (known.length === 0) merged?.delete(name);
      if (merged !== undefined && merged.size <= MOST_NAMES) {
        await this.#put(key, merged);
        if (++pace.records % AT_ONCE === 0) await turn();
        return;
      }
      await this.#split(key, own);
    }
    for (const [digit, names] of byDigit([...notes.keys()], prefix.length)) {
      const below = new Map(names.map((name) => [name, notes.get(name)!]));
      await this.#write(root, prefix + digit, below, isCurrent, pace);
    }
  }

  /**
   * Puts the names of one record into the records below it, where what stands there already counts more. They are
   * written first: a process that ends meanwhile leaves the names in both places.
   */
  async #split(key: string, leaf: Leaf): Promise<void> {
    const depth = key.length - key.lastIndexOf(':') - 1;
    for (const [digit, names] of byDigit([...leaf.keys()], depth)) {
      const below = this.#own(key + digit);
      const moved: Leaf = new Map(names.map((name) => [name, leaf.get(name)!]));
      if (below === 'split') await this.#split(key + digit, moved);
      else await this.#put(key + digit, new Map([...moved, ...(below ?? [])]));
    }
    await this.#put(key, 'split');
  }

  async #gone(
    root: string,
    prefix: string,
    leftSeconds: number,
    isCurrent: () => boolean,
    pace: { records: number },
    departures: Departure[],
  ): Promise<void> {
    const node = await this.#look(root + prefix);
    if (node === 'split') {
      for (const digit of '0123456789abcdef')
        await this.#gone(root, prefix + digit, leftSeconds, isCurrent, pace, departures);
      return;
    }
    const listed = [...node].filter(([, known]) => known.some((one) => one.leftSeconds === undefined));
    const left = listed.map(([name, known]): [string, readonly KnownHash[]] => [
      name,
      known.map((one) => ({ ...one, leftSeconds: one.leftSeconds ?? leftSeconds })),
    ]);
    if (left.length === 0) return;
    for (const [, known] of left) departures.push(departureOf(known)!);
    await this.#write(root, prefix, new Map(left), isCurrent, pace);
  }

  /** Past memory: another process on this data folder may have written it a moment ago. */
  #ownRecord(key: string): EntryRecord | undefined {
    const { entries } = this.#options;
    return entries.reread(key) ?? entries.peek(key);
  }

  #own(key: string): Node | undefined {
    return nodeOf(this.#ownRecord(key));
  }

  #put(key: string, node: Node): Promise<void> {
    const now = this.#options.now();
    const facts = node === 'split' ? { split: true } : { known: encodeKnown([...node.values()].flat()) };
    const head = {
      status: 200,
      fields: [],
      url: key,
      requestTime: now,
      responseTime: now,
      varying: [],
      source: 'page',
    };
    return this.#options.entries.set(key, { format: 1, variants: [{ ...head, facts }] });
  }
}

const NOTHING: readonly KnownHash[] = Object.freeze([]);

function nodeOf(record: EntryRecord | undefined): Node | undefined {
  const facts = record?.variants[0]?.facts as { readonly split?: unknown; readonly known?: unknown } | null | undefined;
  if (facts === undefined || facts === null) return undefined;
  if (facts.split === true) return 'split';
  return typeof facts.known === 'string' ? decodeKnown(facts.known) : undefined;
}

function hasLeft(known: readonly KnownHash[]): boolean {
  return known.every(({ leftSeconds }) => leftSeconds !== undefined);
}

function writtenAt(record: EntryRecord | undefined): number {
  return record?.variants[0]?.responseTime ?? 0;
}

function sinceSecondsOf(known: readonly KnownHash[]): number | undefined {
  const since = known.flatMap(({ sinceSeconds }) => (sinceSeconds === undefined ? [] : [sinceSeconds]));
  return since.length === 0 ? undefined : Math.max(...since);
}

function byDigit(names: readonly string[], depth: number): Map<string, string[]> {
  return Map.groupBy(names, (name) => name[depth]!);
}
