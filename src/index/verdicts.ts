// What the policy says of a project's files: the facts of pages and known files as src/policy/judge.ts takes them.

import { projectOfFilename, versionOfFilename } from '../pages/distribution-name.ts';
import type { Departure } from '../pages/known-hashes.ts';
import { type FileFacts, judge, refusalText } from '../policy/judge.ts';
import type { View } from '../policy/policy.ts';

/** `demo 2.0`, or the filename where that tells no version. */
export function releaseOf(filename: string): string {
  const [project, version] = [projectOfFilename(filename), versionOfFilename(filename)];
  return project === undefined || version === undefined ? filename : `${project} ${version}`;
}

/**
 * Why a file that no page lists any more is refused, in one sentence; undefined when it is served. `now` is in
 * milliseconds since the epoch.
 */
export function pulledVerdict(
  view: View,
  filename: string,
  departed: Departure | undefined,
  now: number,
): string | undefined {
  if (departed === undefined) return undefined;
  const facts: FileFacts = {
    filename,
    version: versionOfFilename(filename),
    sha256: undefined,
    ripensFrom: Number.NEGATIVE_INFINITY,
    hasUploadTime: true,
    departed,
  };
  const project = { name: '', quarantined: false, firstSince: Number.NEGATIVE_INFINITY };
  const found = judge(facts, project, view, now);
  if (found.verdict === 'visible' || found.rule !== 'removed') return undefined;
  return refusalText(found, releaseOf(filename), view.contact);
}
