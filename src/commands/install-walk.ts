// Goes through one installer's install of what a lock file names: what it chooses, what it asks for on the way there,
// and what building source distributions requires, each in an environment of its own.

import type { ProjectName } from '../index/project-name.ts';
import { askedByHook } from '../locks/build-hooks.ts';
import { buildSystemOf, type ProjectFiles } from '../locks/build-requires.ts';
import type { InstallerRules } from '../locks/installer-rules.ts';
import { hashAgreement, type ListedFile } from '../locks/listed-files.ts';
import { parseRequirement, type Requirement } from '../locks/requirement.ts';
import { isSource, versionOf } from '../locks/target.ts';
import { type Finding, finding, type IndexWalk, once } from './index-walk.ts';
import type { FolderProject } from './named-locks.ts';
import type { Offers } from './offers.ts';
import { type Pin, Resolution, type ResolutionOptions, type Resolved } from './resolution.ts';

/** What an install, or a part of it, comes to. */
export interface Outcome {
  /** What is asked for. */
  readonly findings: readonly Finding[];
  /** What cannot be installed, with or without an outage. */
  readonly unfit: readonly Finding[];
  /** What only a build can tell. */
  readonly unknown: readonly Finding[];
  /** Whether this installer gets through, by its own ways around what is missing. */
  readonly survives: boolean;
}

export type Choosing = Omit<ResolutionOptions, 'offers' | 'rules' | 'missingIsEmpty'>;

export interface Environment extends Outcome {
  readonly pins: readonly Pin[];
}

export class InstallWalk {
  readonly #index: IndexWalk;
  readonly #offers: Offers;
  readonly rules: InstallerRules;
  readonly #builds = new Map<string, Promise<Outcome>>();

  constructor(offers: Offers, rules: InstallerRules) {
    this.#index = offers.index;
    this.#offers = offers;
    this.rules = rules;
  }

  /** Resolves requirements and installs what comes of it. */
  async resolved(requirements: readonly Requirement[], choosing: Choosing = {}): Promise<Environment> {
    return this.#resolved(requirements, choosing, []);
  }

  /** Builds a source distribution, as part of the builds `within`. */
  build(project: string, version: string, file: ListedFile, within: readonly string[] = []): Promise<Outcome> {
    const name = `${project} ${version}`;
    // Who needs himself to be built is never built.
    if (within.includes(file.url)) {
      return Promise.resolve(failing(finding(project, 'build', name, 0, 'building it requires itself')));
    }
    return once(this.#builds, [...within, file.url].join(' '), async () => {
      const files = await this.#index.source(file);
      // Then the file cannot be had, which is told of it.
      if (files === undefined) return NOTHING;
      const sources = (wanted: (path: string) => boolean) => this.#index.sourceFiles(file, wanted);
      return this.#built(finding(project, 'build', name, 0, undefined), files, sources, [...within, file.url]);
    });
  }

  /** Builds a project in a folder. */
  folder({ path, files, isEditable }: FolderProject): Promise<Outcome> {
    // A backend that lies in it is not read: with its own code it is in its own hands.
    return this.#built(finding(path, 'build', path, 0, undefined), files, async () => files, [], isEditable);
  }

  async #built(
    subject: Finding,
    files: ProjectFiles,
    sources: (wanted: (path: string) => boolean) => Promise<ProjectFiles | undefined>,
    within: readonly string[],
    isEditable = false,
  ): Promise<Outcome> {
    const system = buildSystemOf(files);
    if (system === undefined) return failing({ ...subject, problem: 'its pyproject.toml cannot be read' });
    const requirements = system.requires.flatMap((line) => parseRequirement(line) ?? []);
    const environment = await this.#resolved(requirements, {}, within);
    const modules = modulePaths(system.backend);
    const inTree = system.backendPath.flatMap((folder) => modules.map((path) => joined(folder, path)));
    const source =
      inTree.length > 0 ? await firstOf(inTree, sources) : await this.#installed(environment.pins, modules);
    const setuptools = environment.pins.find(({ project }) => project === 'setuptools')?.version;
    const asked = askedByHook({ module: system.backend, source, setuptools, isEditable }, files);
    if (asked === undefined) {
      // Without the backend nobody knows anything of it, and what is missing is told.
      if (!environment.survives && inTree.length === 0) return environment;
      const problem = `unknown: what its build asks for when it runs (${system.backend})`;
      return joinedOutcomes([environment, { ...NOTHING, unknown: [{ ...subject, problem }] }]);
    }
    if (asked.length === 0) return environment;
    const more = asked.flatMap((line) => parseRequirement(line) ?? []);
    return joinedOutcomes([environment, await this.#resolved([...requirements, ...more], {}, within)]);
  }

  /** The first of the modules in what is installed; of what is built for it, where sources usually lie. */
  async #installed(pins: readonly Pin[], paths: readonly string[]): Promise<string | undefined> {
    for (const { file } of pins) {
      if (file === undefined) continue;
      const source = isSource(file.filename)
        ? await firstOf([...paths, ...paths.map((path) => joined('src', path))], (wanted) =>
            this.#index.sourceFiles(file, wanted),
          )
        : await this.#packed(file, paths);
      if (source !== undefined) return source;
    }
    return undefined;
  }

  async #packed(file: ListedFile, paths: readonly string[]): Promise<string | undefined> {
    for (const path of paths) {
      const source = await this.#index.wheelMember(file, path);
      if (source !== undefined) return source;
    }
    return undefined;
  }

  async #resolved(
    requirements: readonly Requirement[],
    choosing: Choosing,
    within: readonly string[],
  ): Promise<Environment> {
    const plain = await this.#environment(requirements, { ...choosing, missingIsEmpty: false }, within);
    const isPageMissing = plain.findings.some(({ what, problem }) => what === 'page' && problem !== undefined);
    if (!isPageMissing || !this.rules.goesAroundMissingPages) return plain;
    const around = await this.#environment(requirements, { ...choosing, missingIsEmpty: true }, within);
    return { ...plain, survives: around.survives };
  }

  async #environment(
    requirements: readonly Requirement[],
    choosing: Choosing & Pick<ResolutionOptions, 'missingIsEmpty'>,
    within: readonly string[],
  ): Promise<Environment> {
    const { rules } = this;
    const resolution = new Resolution({ ...choosing, offers: this.#offers, rules });
    const resolved = await resolution.resolve(requirements);
    const unfit = resolved.pins === undefined && resolution.conflict !== undefined ? [resolution.conflict] : [];
    const tried: Outcome = {
      ...NOTHING,
      findings: resolved.findings,
      unknown: resolved.unknown,
      unfit,
      survives: resolved.pins !== undefined && resolved.findings.every((one) => isHad(one, choosing.missingIsEmpty)),
    };
    const parts = [
      tried,
      ...(await this.#installs(resolved, choosing, within)),
      ...(await this.#tries(resolved, within)),
    ];
    return { ...joinedOutcomes(parts), pins: resolved.pins ?? [] };
  }

  /** The files of what was chosen, built where they are sources. */
  async #installs(
    { pins = [] }: Resolved,
    { hashesOf, leavesOut }: Choosing,
    within: readonly string[],
  ): Promise<Outcome[]> {
    return Promise.all(
      pins.map(async ({ project, version, file }) => {
        if (file === undefined || version === undefined || leavesOut?.(project, file.filename)) return NOTHING;
        const found = await this.#file(project, file, hashesOf?.(project) ?? []);
        const built = isSource(file.filename) ? await this.build(project, version, file, within) : NOTHING;
        return joinedOutcomes([{ ...NOTHING, findings: [found], survives: found.problem === undefined }, built]);
      }),
    );
  }

  /** The file, of which one hash must be right where there are any. */
  async #file(project: ProjectName, file: ListedFile, hashes: readonly string[]): Promise<Finding> {
    const same = hashes.filter((hash) => hashAgreement(file, hash) === 'same');
    if (same.length > 0 || hashes.length === 0) return this.#index.file(project, file, same);
    const each = await Promise.all(hashes.map((hash) => this.#index.file(project, file, [hash])));
    return each.find(({ problem }) => problem === undefined) ?? each[0]!;
  }

  /** pip builds every source distribution that it tries, to see what it requires. */
  async #tries({ pins = [], triedSources }: Resolved, within: readonly string[]): Promise<Outcome[]> {
    const chosen = new Set(pins.map(({ file }) => file));
    const rejected = [...triedSources].filter(([file]) => !chosen.has(file));
    return Promise.all(
      rejected.map(async ([file, project]) => {
        const found = await this.#index.file(project, file, []);
        const own: Outcome = { ...NOTHING, findings: [found], survives: found.problem === undefined };
        if (this.rules.name === 'uv') return own;
        return joinedOutcomes([own, await this.build(project, versionOf(file.filename) ?? '', file, within)]);
      }),
    );
  }
}

export const NOTHING: Outcome = { findings: [], unfit: [], unknown: [], survives: true };

export function joinedOutcomes(parts: readonly Outcome[]): Outcome {
  return {
    findings: [...new Set(parts.flatMap(({ findings }) => findings))],
    unfit: [...new Set(parts.flatMap(({ unfit }) => unfit))],
    unknown: [...new Set(parts.flatMap(({ unknown }) => unknown))],
    survives: parts.every(({ survives }) => survives),
  };
}

function failing(unfit: Finding): Outcome {
  return { findings: [], unfit: [unfit], unknown: [], survives: false };
}

/** What its own page or file cannot be had for is not survived, unless a missing page is gone around. */
function isHad({ what, problem }: Finding, missingIsEmpty: boolean): boolean {
  return problem === undefined || (missingIsEmpty && what === 'page');
}

/** Where the source of a module may lie. */
function modulePaths(module: string): string[] {
  const path = module.replaceAll('.', '/');
  return [`${path}.py`, `${path}/__init__.py`];
}

function joined(folder: string, path: string): string {
  return [...folder.split('/').filter((part) => part !== '' && part !== '.'), path].join('/');
}

async function firstOf(
  paths: readonly string[],
  sources: (wanted: (path: string) => boolean) => Promise<ProjectFiles | undefined>,
): Promise<string | undefined> {
  const files = await sources((path) => paths.includes(path));
  return paths.map((path) => files?.get(path)).find((source) => source !== undefined);
}
