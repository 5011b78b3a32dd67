// Goes through all that lock files name, as installers would ask for it: the page of every project, every file with
// its hash, its core metadata where that is offered, and what no lock names and an install needs all the same. `warm`
// walks to fetch, `drill` walks with upstream cut off.

import { namesDistribution } from '../index/distribution-name.ts';
import { type FollowedUrls, urlsPastUs } from '../locks/followed-urls.ts';
import { type Meant, meantFiles } from '../locks/listed-files.ts';
import type { Lock, LockedVersion } from '../locks/lock.ts';
import { bestFile, installedOn, isSource, type Target } from '../locks/target.ts';
import { type Finding, finding, IndexWalk, type IndexWalkOptions, once } from './index-walk.ts';
import type { NamedLock } from './named-locks.ts';
import { RequirementWalk } from './requirement-walk.ts';

/** What one lock file came to. */
export interface WalkedLock extends NamedLock {
  /** What an install here asks for. */
  readonly findings: readonly Finding[];
  /** What only an install elsewhere asks for: other platforms, other versions of Python. */
  readonly others: readonly Finding[];
  /** Versions none of whose files fits here: no install works, with or without an outage. */
  readonly unfit: readonly Finding[];
  /** What does not come from an index. */
  readonly elsewhere: readonly string[];
  /** Versions that are built from source here. */
  readonly built: readonly string[];
  /** Files whose URLs do not lead through Wheelkeep, for installers that follow the URLs of a lock. */
  readonly past: readonly FollowedUrls[];
}

export interface WalkOptions extends IndexWalkOptions {
  readonly concurrency: number;
  /** Whose choice of files counts; undefined is every file, because nobody's is known. */
  readonly target: Target | undefined;
  /** The files that count, whatever the target would choose; undefined leaves it to the target. */
  readonly accepts: ((filename: string) => boolean) | undefined;
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
  for (const { path, lock } of locks) {
    options.signal.throwIfAborted();
    walked.push({
      path,
      lock,
      ...(await walker.lock(lock)),
      elsewhere: lock.elsewhere,
      past: urlsPastUs(lock.versions),
    });
  }
  return walked;
}

interface WalkedFile {
  /** Undefined when only its hash is known. */
  readonly filename: string | undefined;
  /** With those of its core metadata. */
  readonly findings: readonly Finding[];
  readonly meant: Meant;
}

interface WalkedVersion {
  readonly page: Finding;
  readonly files: readonly WalkedFile[];
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
    return once(this.#versions, version, () => this.#version(version));
  }

  /** Sorts all that the lock's versions came to by who asks for it, and goes after what is not in the lock. */
  async lock(lock: Lock): Promise<Pick<WalkedLock, 'findings' | 'others' | 'unfit' | 'built'>> {
    const { target } = this.#options;
    const here: Finding[] = [];
    const all: Finding[] = [];
    const unfit: Finding[] = [];
    const built: string[] = [];
    const installed = installedOn(target, lock);
    const pinned = new Set<string>([...installed].map(({ project }) => project));
    const open = target && new RequirementWalk(this.#index, target, pinned);
    for (const version of lock.versions) {
      const { page, files } = await this.version(version);
      all.push(page, ...files.flatMap(({ findings }) => findings));
      if (!installed.has(version)) continue;
      const chosen = this.#chosen(files);
      const name = `${version.project} ${version.version}`;
      here.push(page, ...chosen.flatMap(({ findings }) => findings));
      if (chosen.length === 0 && files.length > 0) {
        unfit.push(finding(version.project, 'file', name, 0, `none of its files fits ${target?.name}`));
      }
      if (chosen.length === 0 || !chosen.every(({ filename }) => filename !== undefined && isSource(filename))) {
        if (lock.isOpen) await this.#follow(chosen, open, version.extras ?? []);
        continue;
      }
      built.push(name);
      // Each build has an environment of its own.
      const build = target && new RequirementWalk(this.#index, target, new Set());
      for (const { meant } of chosen) {
        if (meant.kind === 'listed') await build?.follow(await this.#index.buildRequires(meant.file), []);
      }
      here.push(...(build?.findings ?? []));
      if (lock.isOpen) await this.#follow(chosen, open, version.extras ?? []);
    }
    here.push(...(open?.findings ?? []));
    const needed = new Set(here);
    return { findings: [...needed], others: [...new Set(all)].filter((one) => !needed.has(one)), unfit, built };
  }

  async #follow(chosen: readonly WalkedFile[], open: RequirementWalk | undefined, extras: readonly string[]) {
    for (const { meant } of chosen) {
      if (meant.kind === 'listed') await open?.follow(await this.#index.requires(meant.file), extras);
    }
  }

  #chosen(files: readonly WalkedFile[]): readonly WalkedFile[] {
    const { accepts, target } = this.#options;
    if (accepts !== undefined || target === undefined) return files;
    const named = files.flatMap((file) => (file.filename === undefined ? [] : [{ ...file, filename: file.filename }]));
    const best = bestFile(named, target);
    // Without a name it may be the one that is taken.
    return best === undefined ? files.filter(({ filename }) => filename === undefined) : [best];
  }

  async #version(version: LockedVersion): Promise<WalkedVersion> {
    const { project } = version;
    const page = await this.#index.page(project);
    const problem = page.finding.problem && 'its page cannot be had, so nobody knows where it is';
    const meant: readonly Meant[] = problem ? unreachable(version, problem) : meantFiles(version, page.files);
    const files: WalkedFile[] = [];
    for (const one of meant) {
      const name = one.kind === 'listed' ? one.file.filename : one.name;
      const filename = namesDistribution(name) ? name : undefined;
      // What has only a hash yet may be any file.
      if (filename !== undefined && this.#options.accepts?.(filename) === false) continue;
      const findings =
        one.kind === 'missing'
          ? [finding(project, 'file', name, 0, one.problem)]
          : await this.#index.file(project, one.file, one.hashes);
      files.push({ filename, findings, meant: one });
    }
    return { page: page.finding, files };
  }
}

/** Without the page it is not known which files a bare version has: it counts as one. */
function unreachable({ project, version, files }: LockedVersion, problem: string): Meant[] {
  if (files.length === 0) return [{ kind: 'missing', name: `${project} ${version}`, problem }];
  return files.map(({ filename, hashes }) => ({ kind: 'missing', name: filename ?? hashes[0] ?? '', problem }));
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
