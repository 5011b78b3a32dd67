// What is wrong with a configuration, collected so that the user is told everything at once.

import { withoutSecrets } from './addresses.ts';

/** One mistake: where it stands and what would be right. */
export interface Problem {
  /** The YAML key (`redis.url`), or the name of an unknown variable. */
  readonly key: string;
  /** As it was written; undefined when it is absent or must not be shown. */
  readonly value: string | undefined;
  /** `WHEELKEEP_PORT`, `--port`, `wheelkeep.yaml line 3`, `default`. */
  readonly source: string;
  /** What would be right. */
  readonly cure: string;
}

/** The start is refused; `message` is one line a problem, without secrets. */
export class ConfigurationError extends Error {
  readonly problems: readonly Problem[];
  constructor(problems: readonly Problem[]) {
    super(problems.map(problemLine).join('\n'));
    this.problems = problems;
  }
}

/** `port = 70000 (WHEELKEEP_PORT): expected a whole number from 0 to 65535` */
export function problemLine({ key, value, source, cure }: Problem): string {
  const shown = value === undefined ? key : `${key} = ${withoutSecrets(value)}`;
  return source === key ? `${shown}: ${cure}` : `${shown} (${source}): ${cure}`;
}

/** The candidate nearest to what was typed, when it is near enough to be a slip of the fingers. */
export function nearest(typed: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let fewest = Math.max(2, Math.floor(typed.length / 4)) + 1;
  for (const candidate of candidates) {
    const edits = editDistance(typed.toLowerCase(), candidate.toLowerCase());
    if (edits < fewest) [best, fewest] = [candidate, edits];
  }
  return best;
}

/** Levenshtein: insertions, deletions and replacements that turn `a` into `b`; one row of the matrix at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
