// Asks a Wheelkeep for everything that lock files name: the page of every project, the files that count, each by its
// hash, and their core metadata. It resolves nothing: what only an installer can know is listed as unknown.

import { type Meant, meantFiles } from '../locks/listed-files.ts';
import { ALL_KINDS, type LockedVersion } from '../locks/lock.ts';
import { bestFile, countsFor, installedOn, isSource, type Target } from '../locks/target.ts';
import { namesDistribution } from '../pages/distribution-name.ts';
import type { ProjectName } from '../pages/project-name.ts';
import { type Finding, finding, IndexWalk, type IndexWalkOptions, once } from './index-walk.ts';
import type { NamedLock } from './named-locks.ts';

/** What one lock file came to. */
export interface WalkedLock extends NamedLock {
  /** What an install on the target asks for. */
  readonly findings: readonly Finding[];
  /** What only installs on other platforms or Pythons ask for. */
  readonly others: readonly Finding[];
  /** Versions none of whose files fits the target: no install works, with or without an outage. */
  readonly unfit: readonly Finding[];
  /** What only an installer can know: what a build requires, what unhashed pins lead to. */
  readonly unknown: readonly Finding[];
  /** What does not come from an index. */
  readonly elsewhere: readonly string[];
  /** Versions that the target builds from source. */
  readonly built: readonly string[];
  /** Hosts that installers which follow the URLs of the lock ask directly, past this Wheelkeep. */
  readonly past: readonly FollowedUrls[];
}

/** A host that a lock names past this Wheelkeep, and how many files lie there. */
export interface FollowedUrls {
  readonly host: string;
  readonly files: number;
}

/** Whose choice of files counts, and how many versions are walked at once. */
export interface WalkOptions extends IndexWalkOptions {
  /** Versions that are walked at the same time. */
  readonly concurrency: number;
  /** The Python that would install; undefined is unknown, and then every file counts. */
  readonly target: Target | undefined;
  /** The files that count, whatever the target would choose; undefined leaves it to the target. */
  readonly accepts: ((filename: string) => boolean) | undefined;
}

interface WalkedFile {
  /** Undefined when only its hash is known. */
  readonly filename: string | undefined;
  /** The file's own and those of its core metadata. */
  readonly findings: readonly Finding[];
  readonly meant: Meant;
}

interface WalkedVersion {
  readonly version: LockedVersion;
  readonly page: Finding;
  readonly files: readonly WalkedFile[];
}

/** Never rejects for what cannot be had: that is a finding. Rejects with the signal's reason. */
export async function walk(locks: readonly NamedLock[], options: WalkOptions): Promise<WalkedLock[]> {
  const walker = new Walker(options);
  const versions = locks.flatMap(({ lock }) => lock.versions);
  options.progress.grow(versions.length);
  await inParallel(versions, options.concurrency, async (version) => {
    options.signal.throwIfAborted();
    await walker.version(version);
    options.progress.advance(1, 0);
  });
  const walked: WalkedLock[] = [];
  for (const lock of locks) {
    options.signal.throwIfAborted();
    walked.push(await walker.lock(lock));
  }
  return walked;
}

class Walker {
  readonly #options: WalkOptions;
  readonly #index: IndexWalk;
  readonly #versions = new Map<LockedVersion, Promise<WalkedVersion>>();

  constructor(options: WalkOptions) {
    this.#options = options;
    this.#index = new IndexWalk(options);
  }

  version(version: LockedVersion): Promise<WalkedVersion> {
    return once(this.#versions, version, () => this.#walked(version));
  }

  async #walked(version: LockedVersion): Promise<WalkedVersion> {
    const { project } = version;
    const page = await this.#index.page(project);
    const files: WalkedFile[] = [];
    for (const meant of page.finding.problem === undefined ? meantFiles(version, page.files) : unreachable(version)) {
      const name = meant.kind === 'listed' ? meant.file.filename : meant.name;
      const filename = namesDistribution(name) ? name : undefined;
      // A file of which only the hash is known may be any file.
      if (filename !== undefined && this.#options.accepts?.(filename) === false) continue;
      files.push({ filename, findings: await this.#findings(project, meant), meant });
    }
    return { version, page: page.finding, files };
  }

  async #findings(project: ProjectName, meant: Meant): Promise<Finding[]> {
    if (meant.kind === 'missing') return [finding(project, 'file', meant.name, 0, meant.problem)];
    const { file, hashes } = meant;
    const found = [await this.#index.file(project, file, hashes)];
    if (file.hasMetadata) found.push(await this.#index.metadata(project, file));
    return found;
  }

  /** Sorts what the lock's versions came to by who asks for it. */
  async lock(named: NamedLock): Promise<WalkedLock> {
    const { lock, folders } = named;
    const { target } = this.#options;
    const installed = installedOn(target, lock);
    const versions = await Promise.all(lock.versions.map((version) => this.version(version)));
    const needed = new Set<Finding>();
    const unfit: Finding[] = [];
    const unknown = folders.map(({ path }) => finding(path, 'build', path, 0, UNKNOWN_BUILD));
    const built: string[] = [];
    for (const walked of versions.filter(({ version }) => installed.has(version))) {
      const { project, version } = walked.version;
      const name = `${project} ${version}`;
      const chosen = this.#chosen(walked, named);
      for (const found of [walked.page, ...chosen.flatMap(({ findings }) => findings)]) needed.add(found);
      if (chosen.length === 0 && walked.files.length > 0) {
        unfit.push(finding(project, 'file', name, 0, `none of its files fits ${target?.name}`));
      }
      const listed = chosen.flatMap(({ meant }) => (meant.kind === 'listed' ? [meant.file] : []));
      if (target !== undefined && listed.length > 0 && listed.every(({ filename }) => isSource(filename))) {
        built.push(name);
        unknown.push(finding(project, 'build', name, 0, UNKNOWN_BUILD));
      }
    }
    if (lock.resolving?.requiresHashes === false) unknown.push(...(await this.#unnamed(versions, installed, named)));
    const all = versions.flatMap(({ page, files }) => [page, ...files.flatMap(({ findings }) => findings)]);
    return {
      ...named,
      findings: [...needed],
      others: [...new Set(all)].filter((one) => !needed.has(one)),
      unfit,
      unknown,
      elsewhere: lock.elsewhere,
      built,
      past: urlsPastUs(lock.versions),
    };
  }

  /** The files that the target takes of a version; those of which only the hash is known where no other will do. */
  #chosen({ version, files }: WalkedVersion, { lock }: NamedLock): readonly WalkedFile[] {
    const { accepts, target } = this.#options;
    if (accepts !== undefined || target === undefined) return files;
    const kinds = lock.resolving?.kindsOf(version.project) ?? ALL_KINDS;
    const named = files.flatMap((file) => {
      const { filename } = file;
      if (filename === undefined || !(isSource(filename) ? kinds.sources : kinds.wheels)) return [];
      return [{ ...file, filename }];
    });
    const best = bestFile(named, target);
    return best === undefined ? files.filter(({ filename }) => filename === undefined) : [best];
  }

  /** Requirements of the pins that the file does not name: an installer resolves them when no hashes bind it. */
  async #unnamed(
    versions: readonly WalkedVersion[],
    installed: ReadonlySet<LockedVersion>,
    named: NamedLock,
  ): Promise<Finding[]> {
    const { target } = this.#options;
    const known = new Set(versions.map(({ version }) => version.project));
    const unnamed = new Map<ProjectName, Finding>();
    for (const walked of versions.filter(({ version }) => installed.has(version))) {
      const { project, version, extras = [] } = walked.version;
      for (const { meant } of this.#chosen(walked, named)) {
        if (meant.kind === 'missing' || !meant.file.hasMetadata) continue;
        for (const requirement of await this.#index.requires(meant.file)) {
          const counts = target === undefined || countsFor(requirement.marker, target, new Set(extras));
          if (!counts || known.has(requirement.project)) continue;
          const problem = `unknown: ${project} ${version} requires it and the file does not pin it; ${ASK_LIVE}`;
          unnamed.set(requirement.project, finding(requirement.project, 'page', requirement.project, 0, problem));
        }
      }
    }
    return [...unnamed.values()];
  }
}

const ASK_LIVE = 'only an installer can tell: drill --live';
const UNKNOWN_BUILD = `unknown: what building it requires; ${ASK_LIVE}`;

/** Without the page it is not known which files a bare version has: it counts as one. */
function unreachable({ project, version, files }: LockedVersion): Meant[] {
  const problem = 'its page cannot be had, so nobody knows where it is';
  if (files.length === 0) return [{ kind: 'missing', name: `${project} ${version}`, problem }];
  return files.map(({ filename, hashes }) => ({ kind: 'missing', name: filename ?? hashes[0] ?? '', problem }));
}

/** How Wheelkeep's own links look, whatever host and index stand before them (file-links.ts). */
const OURS = /\/files\/https?\//;

/** By host; none for formats that name files without URLs, because their installers ask the index. */
export function urlsPastUs(versions: readonly LockedVersion[]): FollowedUrls[] {
  const hosts = new Map<string, number>();
  for (const { url } of versions.flatMap(({ files }) => files)) {
    const parsed = url === undefined ? null : URL.parse(url);
    if (parsed === null || OURS.test(parsed.pathname)) continue;
    hosts.set(parsed.host, (hosts.get(parsed.host) ?? 0) + 1);
  }
  return [...hosts].map(([host, files]) => ({ host, files }));
}

/** At most `limit` at the same time; rejects with the first failure once all that runs has ended. */
async function inParallel<Item>(
  items: readonly Item[],
  limit: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const left = items.values();
  const workers = Array.from({ length: limit }, async () => {
    for (const item of left) await work(item);
  });
  const failed = (await Promise.allSettled(workers)).find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
}
