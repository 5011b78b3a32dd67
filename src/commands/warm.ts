// `wheelkeep warm <lock files>`: fetches and verifies all that they name, so that an install finds it here.

import { Command } from 'commander';
import { LOCK_FORMATS } from '../locks/read-lock.ts';
import { bytesText, countText } from '../observe/figures.ts';
import { METRIC_TABLE } from '../observe/metric-table.ts';
import type { MetricsSnapshot } from '../observe/metrics.ts';
import { type ExitCode, FAILED, outJson, type Terminal } from './command-line.ts';
import { lockNotes, walkLocks, withLockFlags } from './with-locks.ts';

const EXAMPLES = `
It works beside a server on the same data folder. What is here already is not fetched again. It fetches what the
locks name, for every platform. What building a source distribution requires is not in a lock file: it is noted at the
end, and one install through Wheelkeep fetches it.

Examples:
  $ wheelkeep warm uv.lock
  $ wheelkeep warm poetry.lock requirements.txt --json
  $ wheelkeep warm uv.lock --only "*-none-any.whl" --only "*manylinux*x86_64.whl"

Exit codes: 0 all of it is here, 1 some could not be had or kept (listed at the end), 2 the command line, the
configuration or a lock file is wrong, 130 stopped by Ctrl-C.`;

/** `wheelkeep warm`. */
export function warmCommand(terminal: Terminal, exitCode: ExitCode): Command {
  return withLockFlags(new Command('warm'), LOCK_FORMATS)
    .description('fetch and verify everything that lock files name: pages, files, core metadata')
    .addHelpText('after', EXAMPLES)
    .action((paths: readonly string[], given: Record<string, unknown>) => {
      const explain = ({ message }: Error) => message;
      const command = { terminal, exitCode, given, paths, verb: 'fetching', upstreamCut: false, explain };
      return walkLocks(command, async (walked, { app }) => {
        // The end of a large file is sent a moment before the file is in its place.
        await app.stored();
        const notKept = problemsOfKeeping((await app.snapshot()).metrics);
        const locks = walked.map(({ path, findings, others, unknown, elsewhere, built, past }) => {
          const all = [...findings, ...others];
          const missing = all.filter(({ problem }) => problem !== undefined);
          const bytes = all.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
          return { path, elsewhere, built, past, missing, unknown, wanted: all.length, bytes };
        });
        if (given.json === true) outJson(terminal, { locks, notKept });
        else {
          for (const lock of locks) {
            const had = lock.wanted - lock.missing.length;
            terminal.out(`${lock.path}: ${had} of ${countText(lock.wanted, 'item')} here, ${bytesText(lock.bytes)}`);
            for (const note of lockNotes(lock)) terminal.out(`  ${note}`);
            for (const { name, problem } of lock.unknown) {
              terminal.out(`  note: ${name}: ${problem}; install it through Wheelkeep once`);
            }
            for (const { what, name, problem } of lock.missing) terminal.out(`  ${what} ${name}: ${problem}`);
          }
          for (const problem of notKept) terminal.error(problem);
        }
        return notKept.length > 0 || locks.some(({ missing }) => missing.length > 0) ? FAILED : 0;
      });
    });
}

/** What was fetched and yet may not be here: the disk took it not, or it pushed out other files. */
function problemsOfKeeping(snapshot: MetricsSnapshot): string[] {
  const total = (name: string) =>
    snapshot
      .filter((metric) => metric.name === name)
      .flatMap(({ values }) => values.map(({ value }) => value))
      .reduce((sum, value) => sum + value, 0);
  const refused = total(METRIC_TABLE.diskWriteFailures.name);
  const evicted = total(METRIC_TABLE.evictions.name);
  const cure = 'raise WHEELKEEP_DISK_QUOTA, or free some space in the data folder';
  const problems: string[] = [];
  if (refused > 0) problems.push(`${countText(refused, 'file')} could not be stored; ${cure}`);
  if (evicted > 0) problems.push(`${countText(evicted, 'file')} had to go to make room; ${cure}`);
  return problems;
}
