// A quarantine beats every rule that keeps things available (PEP 792).

import type { Answer, Outcome } from '../cache/answer.ts';
import { Forbidden, NotFound } from '../core/errors.ts';
import type { PageFacts } from '../pages/page.ts';
import type { ProjectName } from '../pages/project-name.ts';

/** Throws Forbidden when the project's page, as `answer` gives it, says that the index has quarantined it. */
export function requireServable(project: ProjectName, answer: Answer): void {
  const facts = answer.entry.facts as PageFacts | null | undefined;
  if (facts?.status !== 'quarantined') return;
  const reason = facts.reason === undefined ? '' : `: ${facts.reason}`;
  throw new Forbidden(`The index has quarantined ${project}${reason}`, 'quarantined');
}

// "There is no such project", said cleanly by every index that may be asked, and how long that may be believed.

/** 404: every index that may be asked says itself that it does not have the project. */
export class ProjectNotFound extends NotFound {
  /** `hit` when nobody had to be asked. */
  readonly outcome: Outcome;
  /** Whole seconds until an index is asked again: a client that remembers the answer longer misses a new project. */
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
