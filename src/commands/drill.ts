// `wheelkeep drill <lock files>`: would these installs survive if every upstream went away now? It does not guess: a
// Wheelkeep whose upstreams are cut off is asked for everything, as installers would, by the code that serves them.

import { Command } from 'commander';
import { LOCK_FORMATS } from '../locks/formats.ts';
import { countText } from '../observe/figures.ts';
import { type ExitCode, FAILED, type Terminal, WRONG_USAGE } from './command-line.ts';
import type { LiveInstall } from './live-install.ts';
import type { WalkedLock } from './lock-walk.ts';
import { lockNotes, walkLocks, withLockFlags } from './with-locks.ts';

const EXAMPLES = `
Asked for are the page of every project, every file with the hash that the lock names, and core metadata. A server on
the same data folder goes on undisturbed. wheelkeep warm fetches what is missing. --live takes requirements files and
uv.lock, installs what they name for this platform, and leaves nothing behind.

Examples:
  $ wheelkeep drill uv.lock
  $ wheelkeep drill requirements.txt --only "*-none-any.whl" --only "*manylinux*x86_64.whl"
  $ wheelkeep drill --live uv.lock
  $ wheelkeep drill --json uv.lock | jq '.locks[].readiness'

Exit codes: 0 all of it would be served, 1 some would not (listed) or the live install failed, 2 the command line, the
configuration or a lock file is wrong, 130 stopped by Ctrl-C.`;

export function drillCommand(terminal: Terminal, exitCode: ExitCode): Command {
  return withLockFlags(new Command('drill'), LOCK_FORMATS)
    .description('tell whether installs from lock files would survive an outage of every upstream now')
    .option('--live', 'also prove it: install in a throw-away environment, by uv or pip, with upstream cut off')
    .addHelpText('after', EXAMPLES)
    .action((paths: readonly string[], given: Record<string, unknown>) => {
      const command = { terminal, exitCode, given, paths, verb: 'checking', upstreamCut: true, explain };
      return walkLocks(command, async (walked, app, signal) => {
        const verdicts: Verdict[] = [];
        for (const lock of walked) {
          const live =
            given.live === true ? await liveResult(lock.path, `${app.url}simple/`, terminal, signal) : undefined;
          if (live === 'impossible') return WRONG_USAGE;
          verdicts.push({ ...verdictOf(lock), ...(live && { live }) });
        }
        if (given.json) terminal.out(JSON.stringify({ locks: verdicts }, undefined, 2));
        else for (const [at, lock] of walked.entries()) tell(terminal, lock, verdicts[at]!);
        const good = ({ missing, live }: Verdict) => missing.length === 0 && live?.succeeded !== false;
        return verdicts.every(good) ? 0 : FAILED;
      });
    });
}

async function liveResult(
  path: string,
  indexUrl: string,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<LiveInstall | 'impossible'> {
  const { liveInstall, NotInstallable } = await import('./live-install.ts');
  try {
    return await liveInstall(path, indexUrl, terminal, signal);
  } catch (error) {
    if (!(error instanceof NotInstallable)) throw error;
    terminal.error(error.message);
    return 'impossible';
  }
}

type Verdict = ReturnType<typeof verdictOf> & { readonly live?: LiveInstall };

/** What upstream would have to give is what is not here. */
function explain({ code, message }: { readonly code: string | undefined; readonly message: string }): string {
  return code?.startsWith('upstream-') ? 'not stored here' : message;
}

/** `readiness` is the share of what would be served; it rounds down, so that 1 means all. */
function verdictOf({ path, findings, elsewhere, built, past }: WalkedLock) {
  const missing = findings.filter(({ problem }) => problem !== undefined);
  const served = findings.length - missing.length;
  const readiness = findings.length === 0 ? 1 : Math.floor((served / findings.length) * 1000) / 1000;
  return { path, readiness, wanted: findings.length, served, missing, elsewhere, built, past };
}

function tell(terminal: Terminal, lock: WalkedLock, verdict: Verdict): void {
  const { path, readiness, wanted, served, missing, live } = verdict;
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
  if (live !== undefined) {
    terminal.out(`  live     ${live.succeeded ? 'installed' : 'could NOT be installed'} by ${live.installer}`);
    if (!live.succeeded) for (const line of live.output.trimEnd().split('\n')) terminal.out(`    ${line}`);
  }
  for (const note of lockNotes(lock)) terminal.out(`  ${note}`);
}
