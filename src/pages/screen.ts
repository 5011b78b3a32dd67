// What the policy keeps out of one page: a verdict for each of its files, made once and used for every way in which the
// project can be asked for. Pure; the view is the policy's part about this project (src/policy/policy.ts).

import { type FileFacts, judge, type Refusal, refusalText } from '../policy/judge.ts';
import type { View } from '../policy/policy.ts';
import { isSameVersion, newestOf } from '../policy/release-pattern.ts';
import { ripeningTimes } from '../policy/since.ts';
import { versionOfFilename } from './distribution-name.ts';
import { nameOf, uploadedSecondsOf } from './known-hashes.ts';
import type { FileRecord, ProjectDetail } from './page.ts';

/** Verdicts on the files of a page, from one instant to another (milliseconds since the epoch). Crosses threads. */
export interface Screen {
  /** The verdicts hold from here, inclusive, */
  readonly from: number;
  /** until here, exclusive. */
  readonly until: number;
  /** The files that are kept out, by filename. */
  readonly refused: ReadonlyMap<string, ScreenedFile>;
  /** Versions that left the page because all their files are hidden. */
  readonly hiddenVersions: readonly string[];
  /** The newest version that is shown, a final one where there is one. */
  readonly newest: string | undefined;
}

export interface ScreenedFile {
  readonly refusal: Refusal;
  /** Whether the page leaves it out; else it is listed as yanked, with the text. */
  readonly hidden: boolean;
  /** One sentence for clients. */
  readonly text: string;
  /** It may be had by its address all the same (`locked: serve`). */
  readonly served: boolean;
}

/** Since when the names of a project's files age, in seconds since the epoch, by `nameOf`; undefined is old. */
export type Ages = ReadonlyMap<string, number | undefined>;

/** Judges each file of the page as clients see it. `now` is in milliseconds since the epoch. */
export function screenPage(page: ProjectDetail, project: string, view: View, ages: Ages, now: number): Screen {
  const files = page.files.map((file) => ({
    file,
    version: versionOfFilename(file.filename),
    since: sinceOf(file, ages),
  }));
  const ripens = ripeningTimes(files);
  const firstSince = files.reduce((first, { since }) => Math.min(first, since), Number.POSITIVE_INFINITY);
  const facts = { name: project, quarantined: false, firstSince };
  const instants = [firstSince + view.newProjectsMs, ...view.exempt.map(({ until }) => until)];
  const refused = new Map<string, ScreenedFile>();
  const [hidden, shown] = [new Set<string>(), new Set<string>()];
  for (const [i, { file, version }] of files.entries()) {
    const ripensFrom = ripens[i]!;
    instants.push(ripensFrom + view.cooldown.ms);
    const verdict = judge(factsOf(file, version, ripensFrom), facts, view, now);
    if (verdict.verdict === 'visible') {
      if (version !== undefined) shown.add(version);
      continue;
    }
    const isHidden = verdict.verdict === 'held' && view.held === 'hidden';
    if (version !== undefined) (isHidden ? hidden : shown).add(version);
    const served = verdict.verdict === 'held' && view.locked === 'serve';
    const text = refusalText(verdict, version === undefined ? file.filename : `${project} ${version}`, view.contact);
    refused.set(file.filename, { refusal: verdict, hidden: isHidden, text, served });
  }
  const times = instants.filter(Number.isFinite);
  const others = [...shown];
  return {
    from: times.reduce((last, at) => (at <= now ? Math.max(last, at) : last), Number.NEGATIVE_INFINITY),
    until: times.reduce((next, at) => (at > now ? Math.min(next, at) : next), Number.POSITIVE_INFINITY),
    refused,
    hiddenVersions: [...hidden].filter((version) => !others.some((other) => isSameVersion(other, version))),
    newest: newestOf(shown),
  };
}

/** The page without what the screen hides, and with the rest of what it keeps out listed as yanked (PEP 592). */
export function screened(page: ProjectDetail, { refused, hiddenVersions }: Pick<Screen, 'refused' | 'hiddenVersions'>) {
  if (refused.size === 0) return page;
  const files: FileRecord[] = [];
  for (const file of page.files) {
    const found = refused.get(file.filename);
    if (found === undefined) files.push(file);
    else if (!found.hidden) files.push({ ...file, yanked: found.text, source: { ...file.source, yanked: found.text } });
  }
  if (page.versions === undefined || hiddenVersions.length === 0) return { ...page, files };
  const isShown = (version: string) => !hiddenVersions.some((other) => isSameVersion(other, version));
  const versions = page.versions.filter(isShown);
  return { ...page, files, versions, source: { ...page.source, versions } };
}

function factsOf(file: FileRecord, version: string | undefined, ripensFrom: number): FileFacts {
  return { filename: file.filename, version, ripensFrom, hasUploadTime: file.uploadTime !== undefined };
}

function sinceOf(file: FileRecord, ages: Ages): number {
  const name = nameOf(file.filename, 'file');
  const seconds = ages.has(name) ? ages.get(name) : uploadedSecondsOf(file);
  return seconds === undefined ? Number.NEGATIVE_INFINITY : seconds * 1000;
}
