// Goes through all that lock files name, as installers would ask for it: the page of every project, every file with
// its hash, its core metadata where that is offered, and what no lock names and an install needs all the same. `warm`
// walks to fetch, `drill` walks with upstream cut off.

import { namesDistribution } from '../index/distribution-name.ts';
import type { ProjectName } from '../index/project-name.ts';
import { candidates, offerOf } from '../locks/candidates.ts';
import { type FollowedUrls, urlsPastUs } from '../locks/followed-urls.ts';
import { type InstallerRules, PIP, UV } from '../locks/installer-rules.ts';
import { type Meant, meantFiles } from '../locks/listed-files.ts';
import type { LockedVersion, Resolving } from '../locks/lock.ts';
import type { Requirement } from '../locks/requirement.ts';
import { bestFile, installedOn, isSource, type Target } from '../locks/target.ts';
import { type Finding, finding, IndexWalk, type IndexWalkOptions, once } from './index-walk.ts';
import { InstallWalk, joinedOutcomes, NOTHING, type Outcome } from './install-walk.ts';
import type { NamedLock } from './named-locks.ts';

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

type Walked = WalkedVersion & { readonly version: LockedVersion };

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
  async lock({ lock, folders }: NamedLock): Promise<Omit<WalkedLock, keyof NamedLock | 'elsewhere' | 'past'>> {
    const { target } = this.#options;
    const installed = installedOn(target, lock);
    const here: Walked[] = [];
    const all: Finding[] = [];
    for (const version of lock.versions) {
      const walked = await this.version(version);
      all.push(walked.page, ...walked.files.flatMap(({ findings }) => findings));
      if (installed.has(version)) here.push({ version, ...walked });
    }
    const outcomes: Outcome[] = [];
    const installers: WalkedLock['installers'][number][] = [];
    const built = new Set<string>();
    for (const rules of target === undefined ? [undefined] : [UV, PIP]) {
      const walk = rules && new InstallWalk(this.#index, target!, rules);
      const outcome = await this.#install(here, lock.resolving, walk, built);
      const each = await Promise.all(folders.map(async (one) => (await walk?.folder(one)) ?? NOTHING));
      const whole = joinedOutcomes([outcome, ...each]);
      outcomes.push(whole);
      const survives = whole.survives && whole.unknown.length > 0 ? 'unknown' : whole.survives;
      if (rules !== undefined) installers.push({ name: rules.name, survives });
    }
    const { findings, unfit, unknown } = joinedOutcomes(outcomes);
    const needed = new Set(findings);
    const others = [...new Set(all)].filter((one) => !needed.has(one));
    return { findings, others, unfit: distinct(unfit), unknown: distinct(unknown), built: [...built], installers };
  }

  /** Notes in `built` what is built from source. */
  async #install(
    here: readonly Walked[],
    resolving: Resolving | undefined,
    walk: InstallWalk | undefined,
    built: Set<string>,
  ): Promise<Outcome> {
    const parts: Outcome[] = [];
    const resolved: Requirement[] = [];
    const lost = new Set<ProjectName>();
    for (const { version, page, files } of here) {
      const { project } = version;
      const name = `${project} ${version.version}`;
      const chosen = this.#chosen(version, files, resolving, walk?.rules);
      const findings = [page, ...chosen.flatMap((file) => file.findings)];
      const unfit =
        chosen.length === 0 && files.length > 0
          ? [finding(project, 'file', name, 0, `none of its files fits ${this.#options.target?.name}`)]
          : [];
      const survives = unfit.length === 0 && findings.every(({ problem }) => problem === undefined);
      parts.push({ ...NOTHING, findings, unfit, survives });
      const sources = chosen.flatMap(({ meant }) =>
        meant.kind === 'listed' && isSource(meant.file.filename) ? [meant.file] : [],
      );
      if (chosen.length > 0 && sources.length === chosen.length) {
        built.add(name);
        for (const file of sources) parts.push((await walk?.build(project, version.version, file)) ?? NOTHING);
      }
      if (page.problem !== undefined || chosen.every(({ meant }) => meant.kind === 'missing')) lost.add(project);
      resolved.push({ project, specifier: `==${version.version}`, extras: version.extras ?? [], marker: undefined });
    }
    if (resolving !== undefined && walk !== undefined)
      parts.push(await this.#resolve(here, resolved, lost, resolving, walk));
    return joinedOutcomes(parts);
  }

  /** What the installer comes to beyond the lock's own versions, whose files are chosen already. */
  async #resolve(
    here: readonly Walked[],
    requirements: readonly Requirement[],
    elsewhere: ReadonlySet<ProjectName>,
    { kindsOf, prereleases, requiresHashes }: Resolving,
    walk: InstallWalk,
  ): Promise<Outcome> {
    const hashes = Map.groupBy(here, ({ version }) => version.project);
    const hashesOf = (project: ProjectName) =>
      hashes.get(project)?.flatMap(({ version }) => version.files.flatMap((file) => file.hashes)) ?? [];
    const choosing = { kindsOf, hashesOf, prereleases, elsewhere };
    const outcome = this.#accepted(await walk.resolved(requirements, choosing), hashes);
    if (!requiresHashes || !walk.rules.hashesBindAll) return outcome;
    const unhashed = outcome.pins.filter(({ project }) => hashesOf(project).length === 0);
    const unfit = unhashed.map(({ project, version }) =>
      finding(
        project,
        'file',
        `${project} ${version}`,
        0,
        'the lock gives no hash of it, and pip wants one of all or of none',
      ),
    );
    return joinedOutcomes([outcome, { ...NOTHING, unfit, survives: unfit.length === 0 }]);
  }

  /** Without the files of the lock's own projects that do not count. */
  #accepted<Whole extends Outcome>(outcome: Whole, locked: ReadonlyMap<string, unknown>): Whole {
    const { accepts } = this.#options;
    if (accepts === undefined) return outcome;
    const counts = ({ project, what, name }: Finding) =>
      what === 'page' || !locked.has(project) || accepts(name.replace(/\.metadata$/, ''));
    return { ...outcome, findings: outcome.findings.filter(counts) };
  }

  #chosen(
    { version, project, files: locked }: LockedVersion,
    files: readonly WalkedFile[],
    resolving: Resolving | undefined,
    rules: InstallerRules | undefined,
  ): readonly WalkedFile[] {
    const { accepts, target } = this.#options;
    if (accepts !== undefined || target === undefined) return files;
    const named = files.flatMap((file) => (file.filename === undefined ? [] : [{ ...file, filename: file.filename }]));
    const unnamed = files.filter(({ filename }) => filename === undefined);
    if (resolving === undefined || rules === undefined) {
      const best = bestFile(named, target);
      // Without a name it may be the one that is taken.
      return best === undefined ? unnamed : [best];
    }
    const listed = named.flatMap(({ meant }) => (meant.kind === 'listed' ? [meant.file] : []));
    const own = [`==${version}`];
    const hashes = locked.flatMap((file) => file.hashes);
    const wish = { specifiers: own, own, prereleases: resolving.prereleases, hashes };
    const [best] = candidates(offerOf(listed, target, resolving.kindsOf(project)), wish, rules, target);
    return best === undefined
      ? unnamed
      : named.filter(({ meant }) => meant.kind === 'listed' && meant.file === best.file);
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
          : [
              await this.#index.file(project, one.file, one.hashes),
              ...(one.file.hasMetadata ? [await this.#index.metadata(project, one.file)] : []),
            ];
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

/** Both installers may find the same. */
function distinct(findings: readonly Finding[]): Finding[] {
  return [...new Map(findings.map((one) => [`${one.what} ${one.name} ${one.problem}`, one])).values()];
}
