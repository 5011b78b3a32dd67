// `wheelkeep drill <lock files>`: would these installs survive if every upstream went away now? It does not guess: a
// Wheelkeep whose upstreams are cut off is asked for everything, as installers would, by the code that serves them.

import { Command } from 'commander';
import { LOCK_FORMATS } from '../locks/formats.ts';
import { type ExitCode, FAILED, type Terminal } from './command-line.ts';
import { countText } from './figures.ts';
import type { WalkedLock } from './lock-walk.ts';
import { lockNotes, walkLocks, withLockFlags } from './with-locks.ts';

const EXAMPLES = `
Asked for are the page of every project, every file with the hash that the lock names, and core metadata. A server on
the same data folder goes on undisturbed. wheelkeep warm fetches what is missing.

Examples:
  $ wheelkeep drill uv.lock
  $ wheelkeep drill requirements.txt --only "*-none-any.whl" "*manylinux*x86_64.whl"
  $ wheelkeep drill --json uv.lock | jq '.locks[].readiness'

Exit codes: 0 all of it would be served, 1 some would not (listed), 2 the command line, the configuration or a lock
file is wrong, 130 stopped by Ctrl-C.`;

export function drillCommand(terminal: Terminal, exitCode: ExitCode): Command {
  return withLockFlags(new Command('drill'), LOCK_FORMATS)
    .description('tell whether installs from lock files would survive an outage of every upstream now')
    .addHelpText('after', EXAMPLES)
    .action((paths: readonly string[], given: Record<string, unknown>) => {
      const command = { terminal, exitCode, given, paths, verb: 'checking', upstreamCut: true, explain };
      return walkLocks(command, async (walked) => {
        if (given.json) terminal.out(JSON.stringify({ locks: walked.map(verdict) }, undefined, 2));
        else for (const lock of walked) tell(terminal, lock);
        return walked.every((lock) => verdict(lock).missing.length === 0) ? 0 : FAILED;
      });
    });
}

/** What upstream would have to give is what is not here. */
function explain({ code, message }: { readonly code: string | undefined; readonly message: string }): string {
  return code?.startsWith('upstream-') ? 'not stored here' : message;
}

/** `readiness` is the share of what would be served; it rounds down, so that 1 means all. */
function verdict({ path, findings, elsewhere, built, past }: WalkedLock) {
  const missing = findings.filter(({ problem }) => problem !== undefined);
  const served = findings.length - missing.length;
  const readiness = findings.length === 0 ? 1 : Math.floor((served / findings.length) * 1000) / 1000;
  return { path, readiness, wanted: findings.length, served, missing, elsewhere, built, past };
}

function tell(terminal: Terminal, lock: WalkedLock): void {
  const { path, readiness, wanted, served, missing } = verdict(lock);
  const all = missing.length === 0 ? 'would survive' : 'would NOT survive';
  terminal.out(
    `${path}: ${all} an outage now; ${served} of ${countText(wanted, 'item')} (${Number((readiness * 100).toFixed(1))} %)`,
  );
  for (const what of ['page', 'file', 'metadata'] as const) {
    const kind = lock.findings.filter((finding) => finding.what === what);
    const lost = kind.filter(({ problem }) => problem !== undefined);
    if (kind.length > 0) terminal.out(`  ${what.padEnd(9)}${kind.length - lost.length} of ${kind.length}`);
    for (const { name, problem } of lost) terminal.out(`    ${name}: ${problem}`);
  }
  for (const note of lockNotes(lock)) terminal.out(`  ${note}`);
}
