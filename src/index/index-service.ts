// Answers index pages: from one index or from an ordered list of them, in the format and coding a client wants.

import { LRUCache } from 'lru-cache';
import type { Answer } from '../cache/answer.ts';
import type { ReadOptions, ReadThrough } from '../cache/read-through.ts';
import { type Digest, digestOf } from '../core/digest.ts';
import { NotFound } from '../core/errors.ts';
import { oncePer } from '../http-semantics/memoize.ts';
import type { NameRouting } from '../pages/name-routing.ts';
import type { PageCoding, PageFormat } from '../pages/negotiate.ts';
import type { FoundRecords, ListedFile, PageSource } from '../pages/page-reader.ts';
import type { ProjectName } from '../pages/project-name.ts';
import type { Screen, ScreenedFile } from '../pages/screen.ts';
import type { Policies } from '../policy/policies.ts';
import { mayRefuse, type View, wholeDenials } from '../policy/policy.ts';
import type { Entry } from '../store/entries/entry.ts';
import type { KnownFiles } from './known-files.ts';
import { type FoundPage, PageFinder } from './page-finder.ts';
import type { PagePool } from './page-pool.ts';
import type { PageResources } from './page-resources.ts';
import type { RenderedPage, RenderedPages } from './rendered-pages.ts';
import { readAll, sourceName, storedSource, withBody } from './stored-page.ts';
import type { WithdrawnMetadata } from './withdrawn-metadata.ts';

/** A page as it goes to a client: how it was answered, and its bytes. */
export interface PageAnswer {
  readonly answer: Answer;
  readonly page: RenderedPage;
}

/** A file's record, on which page it stands and in which index. */
export interface FileListing extends FoundRecords {
  readonly index: string;
  readonly project: ProjectName;
  /** The page's answer: when it is stale, what it does not list may exist all the same. */
  readonly answer: Answer;
  /** What the policy says of the page's files. */
  readonly screen: Screen;
}

/** What index pages are made of. */
export interface IndexServiceOptions {
  readonly resources: PageResources;
  readonly readThrough: ReadThrough;
  readonly routing: NameRouting;
  readonly rendered: RenderedPages;
  readonly pagePool: PagePool;
  /** Where clients reach us over https, with the final slash: provenance is then linked there. */
  readonly provenanceRoot: string | undefined;
  /** Indexes whose wheels give the core metadata that their pages do not offer. */
  readonly extracting: ReadonlySet<string>;
  /** Files whose core metadata is not claimed, because upstream turned out not to have it. */
  readonly withdrawn: WithdrawnMetadata;
  readonly policies: Policies;
  readonly known: Pick<KnownFiles, 'ages'>;
  readonly now: () => number;
}

interface KeptRecords {
  readonly records: FoundRecords;
  readonly sizeBytes: number;
}

/** Verdicts kept ready, by page: nearly all of them are empty. */
const MAX_SCREENS = 4_000;
/** Where no policy concerns the project: everything is shown, for ever. */
const NOTHING_REFUSED: Screen = {
  from: Number.NEGATIVE_INFINITY,
  until: Number.POSITIVE_INFINITY,
  refused: new Map(),
  hiddenVersions: [],
  newest: undefined,
};

/** What may be held of records that were found lately: some 3,000 of them. */
const KEPT_RECORDS_BYTES = 4_000_000;
/** What one takes beside its text: objects, key and place. */
const RECORDS_OVERHEAD_BYTES = 700;

/**
 * Answers project lists and project details in every representation. Rejects with NotFound, Quarantined or an
 * UpstreamFailure.
 */
export class IndexService {
  readonly #options: IndexServiceOptions;
  readonly #finder: PageFinder;
  /** Records found lately, by page and file: a large page is not opened and parsed for each of its files. */
  readonly #records = new LRUCache<Digest, KeptRecords>({
    maxSize: KEPT_RECORDS_BYTES,
    sizeCalculation: ({ sizeBytes }) => sizeBytes,
  });

  readonly #screens = new LRUCache<string, Screen>({ max: MAX_SCREENS });

  constructor(options: IndexServiceOptions) {
    this.#options = options;
    this.#finder = new PageFinder(options);
  }

  /** The project's page if it is fresh and its bytes are ready: the hot path. */
  peekDetail(
    indexes: readonly string[],
    name: ProjectName,
    format: PageFormat,
    coding: PageCoding,
    linkRoot?: string,
  ): PageAnswer | undefined {
    const allowed = this.#options.routing.allowed(name, indexes);
    const first = allowed[0];
    if (first === undefined) return undefined;
    const { resources, readThrough, rendered } = this.#options;
    const answer = readThrough.peek(resources.detail(first, name));
    if (answer === undefined || answer.entry.status !== 200) return undefined;
    const screen = this.#peekScreen(first, name, answer);
    if (screen === undefined) return undefined;
    const page = rendered.peek(answer.entry, format, coding, this.#variantName(first, name, linkRoot, screen));
    return page === undefined ? undefined : { answer: this.#ending(answer, screen), page };
  }

  /**
   * The project's page, its links relative or below `linkRoot`. Throws NotFound only when every index that may be asked said so cleanly, UpstreamFailure when
   * one that had to be asked could not answer.
   */
  async projectDetail(
    indexes: readonly string[],
    name: ProjectName,
    format: PageFormat,
    coding: PageCoding,
    { linkRoot, ...options }: ReadOptions & { readonly linkRoot?: string | undefined } = {},
  ): Promise<PageAnswer> {
    const found = await this.#finder.find(indexes, name, { ...options, early: true });
    // What is fetched is rendered while the disk takes it.
    const [rendered] = await Promise.all([
      this.#rendered(found, name, format, coding, linkRoot),
      found.answer.persisted,
    ]);
    return rendered;
  }

  /** The list of projects: one index's own, or the names of all of them. */
  async projectList(
    indexes: readonly string[],
    format: PageFormat,
    coding: PageCoding,
    options: ReadOptions = {},
  ): Promise<PageAnswer> {
    const lists = await Promise.all(indexes.map((index) => this.#finder.list(index, options)));
    const found = lists.filter((list) => list !== undefined);
    if (found.length === 0) throw new NotFound('No index here has a list of projects.');
    if (indexes.length === 1) return this.#rendered(found[0]!, undefined, format, coding);
    return this.#merged(found, format, coding);
  }

  /** The index that has the project, and its page's answer. Throws as `projectDetail` does. */
  async locate(
    indexes: readonly string[],
    name: ProjectName,
  ): Promise<{ readonly index: string; readonly answer: Answer; readonly screen: Screen }> {
    const found = await this.#finder.find(indexes, name, {});
    const screen = await this.#screen(found, name);
    return { index: found.index, answer: this.#ending(found.answer, screen), screen };
  }

  /** Looks a file up on its project's page. Throws as `projectDetail` does. */
  async findFile(
    indexes: readonly string[],
    name: ProjectName,
    file: { readonly key: string; readonly filename: string },
    options: ReadOptions = {},
  ): Promise<FileListing> {
    const found = await this.#finder.find(indexes, name, options);
    // A digest, for a client chooses how long the names of files are.
    const memory = digestOf(`${found.index} ${sourceName(found.answer.entry)} ${file.key} ${file.filename}`);
    const known = this.#records.get(memory);
    const screen = await this.#screen(found, name, true);
    const listing = { index: found.index, project: name, screen };
    if (known !== undefined) return { ...listing, answer: this.#ending(found.answer, screen), ...known.records };
    return this.#withPage(found, name, async (source, answer) => {
      const records = await this.#options.pagePool.find(source, file.key, file.filename);
      if (answer === found.answer) this.#records.set(memory, keptRecords(records));
      return { ...listing, answer: this.#ending(answer, screen), ...records };
    });
  }

  /** As `findFile`, on the page that is held, whatever its age; asks nobody. Undefined when none is held. */
  async findHeld(
    index: string,
    name: ProjectName,
    file: { readonly key: string; readonly filename: string },
  ): Promise<FoundRecords | undefined> {
    return this.#withHeld(index, name, (source) => this.#options.pagePool.find(source, file.key, file.filename));
  }

  async #withHeld<T>(
    index: string,
    name: ProjectName,
    use: (source: PageSource) => Promise<T>,
  ): Promise<T | undefined> {
    const { readThrough, resources } = this.#options;
    const resource = resources.detail(index, name);
    const entry = await readThrough.held(resource);
    const blob = entry?.status === 200 ? await readThrough.open(resource, entry) : undefined;
    if (entry === undefined || blob === undefined) return undefined;
    try {
      return await use(storedSource(entry, await readAll(blob), name));
    } finally {
      blob.release();
    }
  }

  /** What the policy keeps out of a project, and why, as plain JSON. Throws as `projectDetail` does. */
  async verdicts(indexes: readonly string[], name: ProjectName): Promise<unknown> {
    const found = await this.#finder.find(indexes, name, {});
    const { mode, contact } = this.#options.policies.of(found.index);
    const { refused } = await this.#screen(found, name, true);
    const files = [...refused].map(([filename, { refusal, text, hidden, served }]) => ({
      filename,
      verdict: refusal.verdict,
      rule: refusal.rule,
      name: refusal.ruleName,
      ...(Number.isFinite(refusal.until) && { until: new Date(refusal.until).toISOString() }),
      page: hidden ? 'hidden' : 'yanked',
      file: served ? 'served' : 'refused',
      reason: text,
    }));
    return { project: name, index: found.index, mode, ...(contact !== undefined && { contact }), files };
  }

  /** What the policy says of a file of the page that is held; asks nobody. Undefined when it is shown. */
  async heldVerdict(index: string, name: ProjectName, filename: string): Promise<ScreenedFile | undefined> {
    const { policies, known, pagePool, now } = this.#options;
    const view = policies.view(index, name);
    if (!mayRefuse(view)) return undefined;
    const ages = await known.ages(index, name);
    const screen = await this.#withHeld(index, name, (source) => pagePool.screen(source, view, ages, now()));
    return screen?.refused.get(filename);
  }

  /**
   * Where other mirrors of the index have a file, by their own pages: with a hash that the known record has too. Empty
   * for an index of one upstream, and where nobody says so. Never rejects.
   */
  otherPlaces(listing: FileListing, file: ListedFile, signal: AbortSignal): Promise<readonly string[]> {
    const { index, project, answer } = listing;
    return this.#options.resources.otherPlaces(index, { project, file, listedAt: answer.entry.url }, signal);
  }

  /** Whether the core metadata that the page claims for a file could be had: pages claim only what is there. */
  noteMetadata({ index, project }: FileListing, { link }: ListedFile, isThere: boolean): void {
    const { withdrawn } = this.#options;
    if (isThere) withdrawn.restore(index, project, link);
    else withdrawn.withdraw(index, project, link);
  }

  /** The project whose page lists this filename although its name leads elsewhere; undefined when none is known. */
  alias(indexes: readonly string[], filename: string): Promise<ProjectName | undefined> {
    return this.#options.resources.alias(indexes, filename);
  }

  /** Rendered once per change of any of the lists; their bodies are in memory only while that is done. */
  async #merged(found: readonly FoundPage[], format: PageFormat, coding: PageCoding): Promise<PageAnswer> {
    const { rendered, readThrough, routing, pagePool } = this.#options;
    const answer = leastFresh(found.map((list) => list.answer));
    const entry = entryOfAll(found.map((list) => list.answer.entry));
    const render = async () => {
      const lists = await Promise.all(
        found.map(({ index, resource, answer }) =>
          withBody(readThrough, resource, answer, async (body, { entry }) => ({
            index,
            source: { ...storedSource(entry, body, undefined), ...this.#screening(index, NOTHING_REFUSED) },
          })),
        ),
      );
      return pagePool.merge(lists, routing.routes, format);
    };
    const variant = found.map(({ index }) => this.#unlistedName(index)).join('');
    return { answer, page: await rendered.get(entry, format, coding, render, variant) };
  }

  /** See NameRouting.allowedForAny. */
  askableForAny(names: readonly ProjectName[], indexes: readonly string[]): readonly string[] {
    return this.#options.routing.allowedForAny(names, indexes);
  }

  /** The first of `names` whose page is held, at an index where it may be asked, and lists the file; asks nobody. */
  async heldLister(
    indexes: readonly string[],
    names: readonly ProjectName[],
    file: { readonly key: string; readonly filename: string },
  ): Promise<ProjectName | undefined> {
    for (const name of names) {
      for (const index of this.#options.routing.allowed(name, indexes)) {
        if ((await this.findHeld(index, name, file))?.at !== undefined) return name;
      }
    }
    return undefined;
  }

  /** See PageFinder.holders. */
  holders(indexes: readonly string[], name: ProjectName): Promise<readonly string[]> {
    return this.#finder.holders(indexes, name);
  }

  async #rendered(
    found: FoundPage,
    name: ProjectName | undefined,
    format: PageFormat,
    coding: PageCoding,
    linkRoot?: string,
  ): Promise<PageAnswer> {
    const { rendered, pagePool } = this.#options;
    const screen = name === undefined ? NOTHING_REFUSED : await this.#screen(found, name);
    const variant = this.#variantName(found.index, name, linkRoot, screen);
    const ready = rendered.peek(found.answer.entry, format, coding, variant);
    if (ready !== undefined) return { answer: this.#ending(found.answer, screen), page: ready };
    return this.#withPage(found, name, async (read, answer) => {
      // A page that was lost and had again may be another one: it is judged by itself.
      const isSame = sourceName(answer.entry) === sourceName(found.answer.entry);
      const now = isSame || name === undefined ? screen : await this.#screen({ ...found, answer }, name);
      const source = { ...read, ...(linkRoot !== undefined && { linkRoot }), ...this.#screening(found.index, now) };
      const render = () => pagePool.render(source, format);
      const key = this.#variantName(found.index, name, linkRoot, now);
      return { answer: this.#ending(answer, now), page: await rendered.get(answer.entry, format, coding, render, key) };
    });
  }

  /** What rendering a page of this index depends on beside the page. */
  #variant(
    { index }: FoundPage,
    name: ProjectName | undefined,
  ): Pick<PageSource, 'provenanceRoot' | 'extractsMetadata' | 'withdrawnMetadata'> {
    const { provenanceRoot: root, extracting, withdrawn } = this.#options;
    const links = name === undefined ? undefined : withdrawn.of(index, name);
    return {
      // Below the index's own name: which index a project comes from may differ at the root.
      ...(root !== undefined && { provenanceRoot: `${root}${index}/` }),
      ...(extracting.has(index) && { extractsMetadata: true }),
      ...(links !== undefined && links.size > 0 && { withdrawnMetadata: links }),
    };
  }

  #variantName(index: string, name: ProjectName | undefined, linkRoot: string | undefined, screen: Screen): string {
    const { provenanceRoot, extracting, withdrawn, policies } = this.#options;
    const policy =
      name === undefined
        ? this.#unlistedName(index)
        : screen.refused.size > 0
          ? `${policies.view(index, name).digest} ${screen.from} `
          : '';
    const own = policy + (linkRoot ?? '') + (provenanceRoot === undefined && extracting.size === 0 ? '' : index);
    const links = name === undefined ? undefined : withdrawn.of(index, name);
    return links === undefined || links.size === 0 ? own : `${own} ${linksName(links)}`;
  }

  /** What rendering depends on of the policy. */
  #screening(index: string, screen: Screen): Pick<PageSource, 'screen' | 'unlisted'> {
    const unlisted = wholeDenials(this.#options.policies.of(index));
    return { ...(screen.refused.size > 0 && { screen }), ...(unlisted.length > 0 && { unlisted }) };
  }

  #unlistedName(index: string): string {
    const unlisted = wholeDenials(this.#options.policies.of(index));
    return unlisted.length === 0 ? '' : `without ${digestOf(unlisted.map(({ text }) => text).join(' '))} `;
  }

  /** The verdicts on a page that were made before and hold now. */
  #peekScreen(index: string, name: ProjectName, { entry }: Answer, reports = false): Screen | undefined {
    const view = this.#options.policies.view(index, name);
    if (!mayRefuse(view) || (view.mode === 'report' && !reports)) return NOTHING_REFUSED;
    const screen = this.#screens.get(screenKey(index, name, entry, view));
    const now = this.#options.now();
    return screen !== undefined && screen.from <= now && now < screen.until ? screen : undefined;
  }

  /** `reports`: with `mode: report` the verdicts are to be counted; else there are none then. */
  async #screen(found: FoundPage, name: ProjectName, reports = false): Promise<Screen> {
    return this.#peekScreen(found.index, name, found.answer, reports) ?? this.#judged(found, name);
  }

  async #judged(found: FoundPage, name: ProjectName): Promise<Screen> {
    const { policies, known, pagePool, now } = this.#options;
    // Since when a new file ages is written down before its page is in place.
    await found.answer.persisted;
    const view = policies.view(found.index, name);
    return this.#withPage(found, name, async (source, { entry }) => {
      const ages = await known.ages(found.index, name);
      const screen = await pagePool.screen(source, view, ages, now());
      this.#screens.set(screenKey(found.index, name, entry, view), screen);
      return screen;
    });
  }

  /** The answer, fresh no longer than the verdicts on its page hold. */
  #ending(answer: Answer, { until }: Screen): Answer {
    // Ages are told in whole seconds: one is left.
    const remainingSeconds = (until - this.#options.now()) / 1000 - 1;
    return remainingSeconds < answer.remainingSeconds ? { ...answer, remainingSeconds } : answer;
  }

  #withPage<T>(
    found: FoundPage,
    name: ProjectName | undefined,
    use: (source: PageSource, answer: Answer) => Promise<T>,
  ): Promise<T> {
    return withBody(this.#options.readThrough, found.resource, found.answer, (body, answer) =>
      use({ ...storedSource(answer.entry, body, name), ...this.#variant(found, name) }, answer),
    );
  }
}

function screenKey(index: string, name: ProjectName, entry: Entry, { digest }: View): string {
  return `${index} ${name} ${sourceName(entry)} ${digest}`;
}

/** A copy in memory of its own: texts that were cut out of a page would keep all of that page. */
function keptRecords(records: FoundRecords): KeptRecords {
  const text = JSON.stringify(records);
  return { records: JSON.parse(text) as FoundRecords, sizeBytes: text.length + RECORDS_OVERHEAD_BYTES };
}

/** Names a set of links: a project may have thousands. */
const linksName = oncePer((links: ReadonlySet<string>) => digestOf([...links].join(' ')));

/** Of answers that became one page the one that says least: stale before fresh, then the one that expires first. */
function leastFresh(answers: readonly Answer[]): Answer {
  return answers.reduce((least, answer) => {
    if ((least.stale === undefined) !== (answer.stale === undefined)) return least.stale === undefined ? answer : least;
    return answer.remainingSeconds < least.remainingSeconds ? answer : least;
  });
}

/** Stands for several stored bodies where one is named: other bodies, another name. */
function entryOfAll(entries: readonly Entry[]): Entry {
  const names = entries.map(({ body, url }) => `${body?.digest ?? ''} ${url}`).join('\n');
  const body = { digest: digestOf(names), sizeBytes: 0, verified: true };
  return { ...entries[0]!, url: '', body, facts: null };
}
