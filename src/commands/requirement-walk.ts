// Goes after requirements that no lock file pins, as an installer resolves them: of every project the newest version
// that will do, and then what that requires. It does not go back on a choice: installers do not when a file of their
// choice cannot be fetched, and only pip does when a page is missing (it then installs something older).

import type { ProjectName } from '../index/project-name.ts';
import type { ListedFile } from '../locks/listed-files.ts';
import type { Requirement } from '../locks/requirement.ts';
import { countsFor, isSource, newestFile, type Target } from '../locks/target.ts';
import { type Finding, finding, type IndexWalk } from './index-walk.ts';

/** What is known of one project on the way. */
interface Wanted {
  readonly specifiers: Set<string>;
  readonly extras: Set<string>;
  file: ListedFile | undefined;
  findings: readonly Finding[];
}

export class RequirementWalk {
  readonly #index: IndexWalk;
  readonly #target: Target;
  readonly #wanted = new Map<ProjectName, Wanted>();
  /** Projects that are chosen already, by the lock. */
  readonly #pinned: ReadonlySet<string>;

  constructor(index: IndexWalk, target: Target, pinned: ReadonlySet<string>) {
    this.#index = index;
    this.#target = target;
    this.#pinned = pinned;
  }

  get findings(): Finding[] {
    return [...this.#wanted.values()].flatMap(({ findings }) => findings);
  }

  /** Those among `requirements` that count here when `extras` are asked for, and all that they lead to. */
  async follow(requirements: readonly Requirement[], extras: readonly string[]): Promise<void> {
    const context = new Set(extras);
    for (const requirement of requirements) {
      if (!countsFor(requirement.marker, this.#target, context) || this.#pinned.has(requirement.project)) continue;
      await this.#one(requirement);
    }
  }

  async #one({ project, specifier, extras }: Requirement): Promise<void> {
    const wanted = this.#wanted.get(project) ?? blank();
    this.#wanted.set(project, wanted);
    const knownExtras = wanted.extras.size;
    for (const extra of extras) wanted.extras.add(extra);
    wanted.specifiers.add(specifier);
    const page = await this.#index.page(project);
    const newest = newestFile(page.files, [...wanted.specifiers], this.#target);
    if (newest === undefined) {
      const unfit = `no version on its page will do for ${this.#target.name}`;
      const problem = page.finding.problem === undefined ? unfit : 'its page cannot be had';
      const name = `${project}${[...wanted.specifiers].join(',')}`;
      wanted.file = undefined;
      wanted.findings = [page.finding, finding(project, 'file', name, 0, problem)];
      return;
    }
    const { file } = newest;
    // Also the end of a circle.
    if (wanted.file?.url === file.url && wanted.extras.size === knownExtras) return;
    wanted.file = file;
    wanted.findings = [page.finding, ...(await this.#index.file(project, file, []))];
    if (isSource(file.filename)) await this.follow(await this.#index.buildRequires(file), []);
    await this.follow(await this.#index.requires(file), [...wanted.extras]);
  }
}

function blank(): Wanted {
  return { specifiers: new Set(), extras: new Set(), file: undefined, findings: [] };
}
