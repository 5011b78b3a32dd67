// Goes through all that lock files name, as installers would ask for it: the page of every project, every file with
// its hash, its core metadata where that is offered, and what no lock names and an install needs all the same. `warm`
// walks to fetch, `drill` walks with upstream cut off.

import { type FollowedUrls, urlsPastUs } from '../locks/followed-urls.ts';
import { type InstallerRules, PIP, UV } from '../locks/installer-rules.ts';
import type { LockedVersion } from '../locks/lock.ts';
import { installedOn, type Target } from '../locks/target.ts';
import { type Finding, IndexWalk, type IndexWalkOptions, once } from './index-walk.ts';
import { InstallWalk, joinedOutcomes } from './install-walk.ts';
import { LockInstall, type LockOutcome } from './lock-install.ts';
import type { NamedLock } from './named-locks.ts';
import { Offers } from './offers.ts';
import { type WalkedVersion, walkVersion } from './version-walk.ts';

/** What one lock file came to. */
export interface WalkedLock extends NamedLock {
  /** What an install here asks for. */
  readonly findings: readonly Finding[];
  /** What only an install elsewhere asks for: other platforms, other versions of Python. */
  readonly others: readonly Finding[];
  /** Versions none of whose files fits here: no install works, with or without an outage. */
  readonly unfit: readonly Finding[];
  /** What only a build can tell. */
  readonly unknown: readonly Finding[];
  /** Whether each installer gets through by its own ways; none where nobody knows what an install here asks for. */
  readonly installers: readonly { readonly name: InstallerRules['name']; readonly survives: boolean | 'unknown' }[];
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
  for (const named of locks) {
    options.signal.throwIfAborted();
    const { elsewhere, versions } = named.lock;
    walked.push({ ...named, ...(await walker.lock(named)), elsewhere, past: urlsPastUs(versions) });
  }
  return walked;
}

class Walker {
  readonly #options: WalkOptions;
  readonly #index: IndexWalk;
  /** Undefined without a target. */
  readonly #offers: Offers | undefined;
  readonly #versions = new Map<LockedVersion, Promise<WalkedVersion>>();

  constructor(options: WalkOptions) {
    this.#options = options;
    this.#index = new IndexWalk(options);
    this.#offers = options.target && new Offers(this.#index, options.target);
  }

  version(version: LockedVersion): Promise<WalkedVersion> {
    return once(this.#versions, version, () => walkVersion(version, this.#index, this.#options.accepts));
  }

  /** Sorts all that the lock's versions came to by who asks for it, and goes after what is not in the lock. */
  async lock({ lock, folders }: NamedLock): Promise<Omit<WalkedLock, keyof NamedLock | 'elsewhere' | 'past'>> {
    const { target, accepts } = this.#options;
    const installed = installedOn(target, lock);
    const versions = await Promise.all(lock.versions.map((version) => this.version(version)));
    const here = versions.filter(({ version }) => installed.has(version));
    const outcomes: LockOutcome[] = [];
    const installers: WalkedLock['installers'][number][] = [];
    for (const rules of this.#offers === undefined ? [undefined] : (lock.installers ?? [UV, PIP])) {
      const walk = rules && new InstallWalk(this.#offers!, rules);
      const install = new LockInstall({ walk, target, accepts });
      const outcome = await install.outcome(here, folders, lock.resolving);
      outcomes.push(outcome);
      const survives = outcome.survives && outcome.unknown.length > 0 ? 'unknown' : outcome.survives;
      if (rules !== undefined) installers.push({ name: rules.name, survives });
    }
    const { findings, unfit, unknown } = joinedOutcomes(outcomes);
    const needed = new Set(findings);
    const all = versions.flatMap(({ page, files }) => [page, ...files.flatMap((file) => file.findings)]);
    const others = [...new Set(all)].filter((one) => !needed.has(one));
    const built = [...new Set(outcomes.flatMap((outcome) => outcome.built))];
    return { findings, others, unfit: distinct(unfit), unknown: distinct(unknown), built, installers };
  }
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

/** Both installers may find the same. */
function distinct(findings: readonly Finding[]): Finding[] {
  return [...new Map(findings.map((one) => [`${one.what} ${one.name} ${one.problem}`, one])).values()];
}
