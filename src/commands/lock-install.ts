// One installer's install of what a lock file names: which file of each version it takes, what it builds, and what it
// comes to beyond that where it resolves.

import type { ProjectName } from '../index/project-name.ts';
import { candidates, offerOf } from '../locks/candidates.ts';
import type { LockedVersion, Resolving } from '../locks/lock.ts';
import type { Requirement } from '../locks/requirement.ts';
import { bestFile, isSource, type Target } from '../locks/target.ts';
import { finding } from './index-walk.ts';
import { type InstallWalk, joinedOutcomes, NOTHING, type Outcome } from './install-walk.ts';
import type { FolderProject } from './named-locks.ts';
import type { WalkedFile, WalkedVersion } from './version-walk.ts';

export interface LockInstallOptions {
  /** Undefined where nobody knows who would install: then all files count, and no more than them. */
  readonly walk: InstallWalk | undefined;
  readonly target: Target | undefined;
  /** The files that count, whatever the installer would choose. */
  readonly accepts: ((filename: string) => boolean) | undefined;
}

export interface LockOutcome extends Outcome {
  /** Versions that are built from source. */
  readonly built: readonly string[];
}

export class LockInstall {
  readonly #options: LockInstallOptions;

  constructor(options: LockInstallOptions) {
    this.#options = options;
  }

  /** Of the versions that are installed here, and of projects in folders. */
  async outcome(
    here: readonly WalkedVersion[],
    folders: readonly FolderProject[],
    resolving: Resolving | undefined,
  ): Promise<LockOutcome> {
    const { walk } = this.#options;
    const parts: Outcome[] = [];
    const built: string[] = [];
    const resolved: Requirement[] = [];
    const lost = new Set<ProjectName>();
    for (const { version, page, files } of here) {
      const { project } = version;
      const name = `${project} ${version.version}`;
      const chosen = this.#chosen(version, files, resolving);
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
        built.push(name);
        for (const file of sources) parts.push((await walk?.build(project, version.version, file)) ?? NOTHING);
      }
      if (page.problem !== undefined || chosen.every(({ meant }) => meant.kind === 'missing')) lost.add(project);
      resolved.push({ project, specifier: `==${version.version}`, extras: version.extras ?? [], marker: undefined });
    }
    for (const folder of folders) parts.push((await walk?.folder(folder)) ?? NOTHING);
    if (resolving !== undefined && walk !== undefined) {
      parts.push(await this.#resolved(here, resolved, lost, resolving, walk));
    }
    return { ...joinedOutcomes(parts), built };
  }

  /** What the installer comes to beyond the lock's own versions, whose files are chosen already. */
  async #resolved(
    here: readonly WalkedVersion[],
    requirements: readonly Requirement[],
    elsewhere: ReadonlySet<ProjectName>,
    { kindsOf, prereleases, requiresHashes }: Resolving,
    walk: InstallWalk,
  ): Promise<Outcome> {
    const hashes = Map.groupBy(here, ({ version }) => version.project);
    const hashesOf = (project: ProjectName) =>
      hashes.get(project)?.flatMap(({ version }) => version.files.flatMap((file) => file.hashes)) ?? [];
    const { accepts } = this.#options;
    // What the lock names itself counts as `accepts` says, whatever else is chosen.
    const leavesOut = (project: ProjectName, filename: string) => hashes.has(project) && accepts?.(filename) === false;
    const outcome = await walk.resolved(requirements, { kindsOf, hashesOf, prereleases, elsewhere, leavesOut });
    if (!requiresHashes || !walk.rules.hashesBindAll) return outcome;
    const unhashed = outcome.pins.filter(({ project }) => hashesOf(project).length === 0);
    const problem = 'the lock gives no hash of it, and pip wants one of all or of none';
    const unfit = unhashed.map(({ project, version }) => finding(project, 'file', `${project} ${version}`, 0, problem));
    return joinedOutcomes([outcome, { ...NOTHING, unfit, survives: unfit.length === 0 }]);
  }

  /** The files that are taken of a version; those of which only the hash is known where no other will do. */
  #chosen(
    { version, project, files: locked }: LockedVersion,
    files: readonly WalkedFile[],
    resolving: Resolving | undefined,
  ): readonly WalkedFile[] {
    const { accepts, target, walk } = this.#options;
    if (accepts !== undefined || target === undefined) return files;
    const named = files.flatMap((file) => (file.filename === undefined ? [] : [{ ...file, filename: file.filename }]));
    const unnamed = files.filter(({ filename }) => filename === undefined);
    if (resolving === undefined || walk === undefined) {
      const best = bestFile(named, target);
      // Without a name it may be the one that is taken.
      return best === undefined ? unnamed : [best];
    }
    const listed = named.flatMap(({ meant }) => (meant.kind === 'listed' ? [meant.file] : []));
    const own = [`==${version}`];
    const hashes = locked.flatMap((file) => file.hashes);
    const wish = { specifiers: own, own, prereleases: resolving.prereleases, hashes };
    const [best] = candidates(offerOf(listed, target, resolving.kindsOf(project)), wish, walk.rules, target);
    return best === undefined
      ? unnamed
      : named.filter(({ meant }) => meant.kind === 'listed' && meant.file === best.file);
  }
}
