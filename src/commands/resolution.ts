// Chooses versions as an installer's resolver does: of every project the newest that all who require it accept, going
// back on a choice that leads nowhere (pip's resolvelib; uv's PubGrub comes to the same in all but odd cases). On the
// way it notes what an installer would have asked for.

import type { ProjectName } from '../index/project-name.ts';
import { type Candidate, candidates } from '../locks/candidates.ts';
import type { InstallerRules } from '../locks/installer-rules.ts';
import type { ListedFile } from '../locks/listed-files.ts';
import { ALL_KINDS, type FileKinds } from '../locks/lock.ts';
import type { Requirement } from '../locks/requirement.ts';
import { hasUpperLimit, isPin, meets } from '../locks/specifier.ts';
import { countsFor, isSource } from '../locks/target.ts';
import { type Finding, finding } from './index-walk.ts';
import type { Offers } from './offers.ts';

export interface ResolutionOptions {
  readonly offers: Offers;
  readonly rules: InstallerRules;
  /** What may be taken of a project; all kinds unless given. */
  readonly kindsOf?: (project: ProjectName) => FileKinds;
  /** The hashes of which a project's file must have one; none for projects that are free. */
  readonly hashesOf?: (project: ProjectName) => readonly string[];
  /** Whether the user wants pre-releases (`--pre`). */
  readonly prereleases?: boolean;
  /** Projects that come from elsewhere: whoever requires them is content. */
  readonly elsewhere?: ReadonlySet<ProjectName>;
  /** Files that are not asked for, though they are what would be taken. */
  readonly leavesOut?: (project: ProjectName, filename: string) => boolean;
  /** True: a page that cannot be had is an empty one. Otherwise any requirement counts as met by it. */
  readonly missingIsEmpty: boolean;
}

/** What was chosen of a project; without a file where its page cannot be had. */
export interface Pin {
  readonly project: ProjectName;
  readonly version: string | undefined;
  readonly file: ListedFile | undefined;
}

export interface Resolved {
  /** Undefined when the requirements cannot be met. */
  readonly pins: readonly Pin[] | undefined;
  /** Pages, and core metadata of what was tried. */
  readonly findings: readonly Finding[];
  /** Source distributions that were tried, with their projects: pip builds them to see what they require. */
  readonly triedSources: ReadonlyMap<ListedFile, ProjectName>;
  /** Those of which only a build can tell what they require. */
  readonly unknown: readonly Finding[];
}

/** One requirement of a project, and by whom; undefined is the user himself. */
interface Wish {
  readonly requirement: Requirement;
  readonly by: ProjectName | undefined;
}

/** Compared from the first on; the lesser comes first. */
type Rank = readonly (number | string)[];

interface Choice {
  readonly candidate: Candidate | undefined;
  readonly extras: ReadonlySet<string>;
}

/** Changed only by who has made a copy of it and shown it to nobody. */
interface State {
  readonly wishes: Map<ProjectName, readonly Wish[]>;
  readonly choices: Map<ProjectName, Choice>;
  readonly open: Set<ProjectName>;
}

/** The projects whose choices exclude one another. */
type Conflict = ReadonlySet<ProjectName>;

/** So many tries that an installer would give up, too. */
const MOST_TRIES = 5_000;

export class Resolution {
  readonly #options: ResolutionOptions;
  readonly #findings = new Set<Finding>();
  readonly #sources = new Map<ListedFile, ProjectName>();
  readonly #unknown = new Map<string, Finding>();
  readonly #ranks = new WeakMap<readonly Wish[], Rank>();
  /** What the user named, with its place. */
  readonly #own = new Map<ProjectName, number>();
  #tries = 0;
  #conflict: Finding | undefined;

  constructor(options: ResolutionOptions) {
    this.#options = options;
  }

  async resolve(requirements: readonly Requirement[]): Promise<Resolved> {
    const state: State = { wishes: new Map(), choices: new Map(), open: new Set() };
    const own = requirements.filter((one) => this.#counts(one, new Set()));
    let conflict: Conflict | undefined;
    for (const requirement of own) {
      if (!this.#own.has(requirement.project)) this.#own.set(requirement.project, this.#own.size);
      conflict ??= await this.#wish(state, requirement, undefined);
    }
    const solved = conflict ?? (await this.#solved(state));
    const pins = isConflict(solved)
      ? undefined
      : [...solved.choices].map(([project, { candidate }]) => ({ project, ...pinOf(candidate) }));
    return { pins, findings: [...this.#findings], triedSources: this.#sources, unknown: [...this.#unknown.values()] };
  }

  /** Where the requirements cannot be met: what was left without a version at last. */
  get conflict(): Finding | undefined {
    return this.#conflict;
  }

  /** Goes back to the last choice that has to do with a conflict, over those that have not. */
  async #solved(state: State): Promise<State | Conflict> {
    const project = this.#next(state);
    if (project === undefined) return state;
    const wishes = state.wishes.get(project)!;
    const extras = new Set(wishes.flatMap(({ requirement }) => requirement.extras));
    const causes = new Set(wishedBy(wishes));
    for (const candidate of await this.#candidates(project, wishes)) {
      if (++this.#tries > MOST_TRIES) break;
      const next = await this.#chosen(state, project, { candidate, extras });
      const solved = isConflict(next) ? next : await this.#solved(next);
      if (!isConflict(solved) || !solved.has(project)) return solved;
      for (const cause of solved) causes.add(cause);
    }
    causes.delete(project);
    return causes;
  }

  /** The project to be decided next. */
  #next({ open, wishes }: State): ProjectName | undefined {
    let best: { readonly project: ProjectName; readonly rank: Rank } | undefined;
    for (const project of open) {
      const rank = this.#rank(project, wishes.get(project)!);
      if (best === undefined || isBefore(rank, best.rank)) best = { project, rank };
    }
    return best?.project;
  }

  #rank(project: ProjectName, wishes: readonly Wish[]): Rank {
    let rank = this.#ranks.get(wishes);
    if (rank === undefined) {
      const { prefersLimits } = this.#options.rules;
      const specifiers = wishes.map(({ requirement }) => requirement.specifier);
      rank = [
        specifiers.some(isPin) ? 0 : 1,
        prefersLimits && specifiers.some(hasUpperLimit) ? 0 : 1,
        this.#own.get(project) ?? Infinity,
        ...(prefersLimits ? [specifiers.some((one) => one !== '') ? 0 : 1, project] : []),
      ];
      this.#ranks.set(wishes, rank);
    }
    return rank;
  }

  /** The versions that may be taken; one that stands for any where the page cannot be had. */
  async #candidates(project: ProjectName, wishes: readonly Wish[]): Promise<readonly (Candidate | undefined)[]> {
    const { rules, offers, kindsOf, hashesOf, prereleases = false, missingIsEmpty, elsewhere } = this.#options;
    if (elsewhere?.has(project)) return [undefined];
    const { page, offer } = await offers.of(project, kindsOf?.(project) ?? ALL_KINDS);
    this.#findings.add(page);
    if (offer === undefined) return missingIsEmpty ? [] : [undefined];
    const specifiers = wishes.map(({ requirement }) => requirement.specifier);
    const own = wishes.filter(({ by }) => by === undefined).map(({ requirement }) => requirement.specifier);
    const hashes = hashesOf?.(project) ?? [];
    return candidates(offer, { specifiers, own, prereleases, hashes }, rules, offers.target);
  }

  /** A state with that choice and all that it requires. */
  async #chosen(state: State, project: ProjectName, choice: Choice): Promise<State | Conflict> {
    const next = { wishes: new Map(state.wishes), choices: new Map(state.choices), open: new Set(state.open) };
    forget(next, project);
    next.choices.set(project, choice);
    next.open.delete(project);
    for (const requirement of await this.#requires(project, choice)) {
      if (!this.#counts(requirement, choice.extras)) continue;
      const conflict = await this.#wish(next, requirement, project);
      if (conflict !== undefined) return conflict;
    }
    return next;
  }

  #counts({ marker }: Requirement, extras: ReadonlySet<string>): boolean {
    const { rules, offers } = this.#options;
    // On no platform in particular every marker may hold.
    return countsFor(marker, rules.looksElsewhere ? { ...offers.target, environment: {} } : offers.target, extras);
  }

  async #requires(project: ProjectName, { candidate }: Choice): Promise<readonly Requirement[]> {
    const { offers, leavesOut } = this.#options;
    if (candidate === undefined || leavesOut?.(project, candidate.telling.filename)) return [];
    const { file, version, telling } = candidate;
    if (isSource(telling.filename)) this.#sources.set(file, project);
    else if (telling.hasMetadata) this.#findings.add(await offers.index.metadata(project, telling));
    const required = await offers.index.requires(telling);
    if (required !== undefined) return required;
    const problem = 'unknown: what it requires only a build can tell';
    this.#unknown.set(file.url, finding(project, 'build', `${project} ${version}`, 0, problem));
    return [];
  }

  /** Adds a wish to the state; resolves with a conflict when nothing can meet it together with the others. */
  async #wish(state: State, requirement: Requirement, by: ProjectName | undefined): Promise<Conflict | undefined> {
    const { project, extras } = requirement;
    const wishes = [...(state.wishes.get(project) ?? []), { requirement, by }];
    state.wishes.set(project, wishes);
    if ((await this.#candidates(project, wishes)).length === 0) {
      const specifiers = wishes.map((wish) => wish.requirement.specifier).filter((one) => one !== '');
      const problem = `no version on its page will do for ${this.#options.offers.target.name}`;
      this.#conflict = finding(project, 'file', `${project}${[...new Set(specifiers)].join(',')}`, 0, problem);
      return new Set(wishedBy(wishes));
    }
    const choice = state.choices.get(project);
    const { candidate } = choice ?? {};
    const isMet =
      choice !== undefined &&
      (candidate === undefined || meets(candidate.version, requirement.specifier)) &&
      extras.every((extra) => choice.extras.has(extra));
    if (isMet) return undefined;
    forget(state, project);
    state.open.add(project);
    return undefined;
  }
}

function isConflict(state: State | Conflict): state is Conflict {
  return state instanceof Set;
}

function wishedBy(wishes: readonly Wish[]): ProjectName[] {
  return wishes.flatMap(({ by }) => by ?? []);
}

function pinOf(candidate: Candidate | undefined) {
  return { version: candidate?.version, file: candidate?.file };
}

/** Takes the choice of that project and all that hangs on it out of the state. */
function forget(state: State, project: ProjectName): void {
  if (!state.choices.delete(project)) return;
  for (const [name, each] of state.wishes) {
    const left = each.filter(({ by }) => by !== project);
    if (left.length === each.length) continue;
    if (left.length > 0) {
      state.wishes.set(name, left);
      continue;
    }
    state.wishes.delete(name);
    state.open.delete(name);
    forget(state, name);
  }
}

function isBefore(one: Rank, other: Rank): boolean {
  const at = one.findIndex((value, index) => value !== other[index]);
  return at >= 0 && one[at]! < other[at]!;
}
