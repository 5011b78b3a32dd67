// What the policy says of a file that no page lists any more, by what is remembered of it.

import { Refused } from '../core/errors.ts';
import { projectOfFilename, versionOfFilename } from '../pages/distribution-name.ts';
import type { Departure } from '../pages/known-hashes.ts';
import type { ScreenedFile } from '../pages/screen.ts';
import { judge, type Refusal, refusalText } from '../policy/judge.ts';
import type { View } from '../policy/policy.ts';

/** `demo 2.0`, or the filename where that tells no version. */
function releaseOf(filename: string): string {
  const [project, version] = [projectOfFilename(filename), versionOfFilename(filename)];
  return project === undefined || version === undefined ? filename : `${project} ${version}`;
}

/**
 * Why a file that no page lists any more is refused; undefined when it is served. With `mode: report` only what was
 * pulled is refused. `now` is in milliseconds since the epoch.
 */
export function unlistedVerdict(
  view: View,
  filename: string,
  departed: Departure | undefined,
  now: number,
): Pick<ScreenedFile, 'refusal' | 'text'> | undefined {
  const facts = {
    filename,
    version: versionOfFilename(filename),
    ripensFrom: departed?.since ?? Number.NEGATIVE_INFINITY,
    hasUploadTime: true,
    ...(departed !== undefined && { departed }),
  };
  const project = { name: '', quarantined: false, firstSince: Number.NEGATIVE_INFINITY };
  const refusal = judge(facts, project, view, now);
  if (refusal.verdict === 'visible' || (view.mode === 'report' && refusal.rule !== 'removed')) return undefined;
  return { refusal, text: refusalText(refusal, releaseOf(filename), view.contact) };
}

/** The answer that refuses a file: 403 with one of the codes `pulled`, `held` and `denied`. */
export function refused({ refusal, text }: Pick<ScreenedFile, 'refusal' | 'text'>): Refused {
  return new Refused(text, codeOf(refusal));
}

function codeOf({ rule, verdict }: Refusal): 'pulled' | 'held' | 'denied' {
  return rule === 'removed' ? 'pulled' : verdict;
}
