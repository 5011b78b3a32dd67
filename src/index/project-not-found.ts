// "There is no such project", said cleanly by every index that may be asked, and how long that may be believed.

import type { Answer, Outcome } from '../cache/answer.ts';
import { NotFound } from '../core/errors.ts';
import type { ProjectName } from '../pages/project-name.ts';

export class ProjectNotFound extends NotFound {
  /** `hit` when nobody had to be asked. */
  readonly outcome: Outcome;
  /** Whole seconds until an index is asked again: whoever remembers the answer longer misses a new project. */
  readonly freshSeconds: number;

  /** `answers`: the stored or fresh answers of the indexes; empty when the name may be asked at none of them. */
  constructor(name: ProjectName, answers: readonly Answer[]) {
    super(`No index has a project called ${name}.`, 'project-not-found');
    this.outcome = answers.every(({ outcome }) => outcome === 'hit') ? 'hit' : 'miss';
    this.freshSeconds = Math.max(
      0,
      Math.floor(Math.min(60, ...answers.map(({ remainingSeconds }) => remainingSeconds))),
    );
  }
}
