// `npm run conformance`: the public HTTP cache suite against a raw mount as it is shipped. Prints how it went and fails
// when anything differs from accepted.json: a case that is lost, and one that is won and not noted there yet.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CaseResult, type Kind, playSuite } from './suite.ts';

interface Accepted {
  /** Required and optimal cases that are not met, each with the reason. */
  readonly not_met: Readonly<Record<string, string>>;
  /** Questions of the survey that are answered by no; neither good nor bad, but a change shall be seen. */
  readonly answered_no: readonly string[];
}

const startedAt = performance.now();
const results = await playSuite();
const accepted = JSON.parse(await readFile(join(import.meta.dirname, 'accepted.json'), 'utf8')) as Accepted;
const changes = compare(results, accepted);

console.log(table(results));
console.log(
  `${Object.keys(accepted.not_met).length} cases are accepted as not met, see test/conformance/accepted.json`,
);
console.log(`${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
for (const change of changes) console.error(change);
process.exitCode = changes.length === 0 ? 0 : 1;

function compare(all: readonly CaseResult[], { not_met: notMet, answered_no: answeredNo }: Accepted): string[] {
  const changes: string[] = [];
  for (const { id, kind, verdict, message } of all) {
    const expected = kind === 'check' ? answeredNo.includes(id) : id in notMet;
    // A case that could not even be played tells nothing; of the survey some need what others ask for.
    const unplayed = verdict === 'harness' || verdict === 'retry' || (verdict === 'setup' && kind !== 'check');
    if (unplayed || (verdict !== 'pass' && !expected)) changes.push(`lost: ${kind} ${id} (${verdict}) ${message}`);
    else if (verdict === 'pass' && expected) changes.push(`won: ${kind} ${id}; take it out of accepted.json`);
  }
  const known = new Set(all.map(({ id }) => id));
  for (const id of [...Object.keys(notMet), ...answeredNo]) {
    if (!known.has(id)) changes.push(`unknown: ${id} in accepted.json is no case of the suite`);
  }
  return changes;
}

function table(all: readonly CaseResult[]): string {
  const rows = (['required', 'optimal', 'check'] as const).map((kind: Kind) => {
    const ofKind = all.filter((one) => one.kind === kind);
    const count = (verdicts: readonly string[]) => ofKind.filter(({ verdict }) => verdicts.includes(verdict)).length;
    return [
      kind,
      count(['pass']),
      count(['fail']),
      count(['dependency']),
      count(['setup', 'retry', 'harness']),
      ofKind.length,
    ];
  });
  const head = ['', 'met', 'not met', 'depends', 'not played', 'of'];
  return [head, ...rows].map((row) => row.map((cell) => String(cell).padStart(11)).join('')).join('\n');
}
