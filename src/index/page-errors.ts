// A quarantine beats every rule that keeps things available (PEP 792).

import type { Answer } from '../cache/answer.ts';
import { Forbidden } from '../core/errors.ts';
import type { PageFacts } from '../pages/page.ts';
import type { ProjectName } from '../pages/project-name.ts';

/** Throws Forbidden when the project's page, as `answer` gives it, says that the index has quarantined it. */
export function requireServable(project: ProjectName, answer: Answer): void {
  const facts = answer.entry.facts as PageFacts | null | undefined;
  if (facts?.status !== 'quarantined') return;
  const reason = facts.reason === undefined ? '' : `: ${facts.reason}`;
  throw new Forbidden(`The index has quarantined ${project}${reason}`, 'quarantined');
}
