// `wheelkeep drill <lock files>`: would these installs survive if every upstream went away now? It asks a Wheelkeep whose
// upstreams are cut off for everything that the locks name. It simulates no installer; --live runs a real one.

import { Command } from 'commander';
import { LOCK_FORMATS } from '../locks/read-lock.ts';
import { keepDrill } from '../observe/drills.ts';
import { countText } from '../observe/figures.ts';
import { CommandFailure, type ExitCode, FAILED, outJson, type Terminal, WRONG_USAGE } from './command-line.ts';
import type { Finding } from './index-walk.ts';
import type { LiveInstall, LiveSource } from './live-install.ts';
import type { WalkedLock } from './lock-walk.ts';
import type { NamedLock } from './named-locks.ts';
import { lockNotes, walkLocks, withLockFlags } from './with-locks.ts';

const EXAMPLES = `
For every page and file that a lock file names, the drill says whether it is here and right. Counted are the files that
this machine's Python (or --python) takes; files for other platforms are listed beside them and decide nothing. --only
counts the files that match instead; without a Python every file counts.

Some things only an installer can know: what building a source distribution requires, and what pins without hashes lead
to. They are listed as unknown and count as missing. --live settles them: it installs with uv or pip in a throw-away
environment, with upstream cut off, and leaves nothing behind.

A server on the same data folder goes on undisturbed. wheelkeep warm fetches what is missing.
The score is kept for the metric wheelkeep_outage_readiness_ratio and the status page of that server.

Examples:
  $ wheelkeep drill uv.lock
  $ wheelkeep drill requirements.txt --only "*-none-any.whl" --only "*manylinux*x86_64.whl"
  $ wheelkeep drill --live uv.lock
  $ wheelkeep drill --json uv.lock | jq '.locks[].readiness'

Exit codes: 0 all of it would be served, 1 some would not (listed) or the live install failed, 2 the command line, the
configuration or a lock file is wrong, 130 stopped by Ctrl-C.`;

/** `wheelkeep drill`. */
export function drillCommand(terminal: Terminal, exitCode: ExitCode): Command {
  return withLockFlags(new Command('drill'), LOCK_FORMATS)
    .description('tell whether installs from lock files would survive an outage of every upstream now')
    .option('--live', 'also prove it: install in a throw-away environment, by uv or pip, with upstream cut off')
    .addHelpText('after', EXAMPLES)
    .action((paths: readonly string[], given: Record<string, unknown>) => {
      const command = { terminal, exitCode, given, paths, verb: 'checking', upstreamCut: true, explain };
      return walkLocks(command, async (walked, { app, dataDir, target, signal }) => {
        const verdicts: Verdict[] = [];
        for (const lock of walked) {
          const python = target?.name;
          if (given.live !== true) verdicts.push({ ...verdictOf(lock), python });
          else {
            const from = { indexUrl: `${app.url}simple/`, python: target && String(given.python), target };
            const live = await liveResult(lock, from, terminal, signal);
            verdicts.push({ ...verdictOf(lock, live), python, live });
          }
        }
        for (const verdict of verdicts) await kept(verdict, dataDir, terminal);
        if (given.json === true) outJson(terminal, { locks: verdicts });
        else for (const [at, lock] of walked.entries()) tell(terminal, lock, verdicts[at]!);
        const good = ({ missing, live }: Verdict) => missing.length === 0 && live?.succeeded !== false;
        return verdicts.every(good) ? 0 : FAILED;
      });
    });
}

async function liveResult(
  lock: NamedLock,
  from: LiveSource,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<LiveInstall> {
  const { liveInstall, NotInstallable } = await import('./live-install.ts');
  try {
    return await liveInstall(lock, from, terminal, signal);
  } catch (error) {
    if (!(error instanceof NotInstallable)) throw error;
    throw new CommandFailure(error.message, WRONG_USAGE);
  }
}

/** So that the servers on the data folder can tell it. */
async function kept({ path, readiness, live }: Verdict, dataDir: string, terminal: Terminal): Promise<void> {
  const result = { lock: path, readiness: live?.succeeded === false ? 0 : readiness, at: Date.now() };
  await keepDrill(dataDir, result).catch((error: NodeJS.ErrnoException) => {
    terminal.error(`the result cannot be kept for metrics and status page (${error.code}); is the data folder full?`);
  });
}

type Verdict = ReturnType<typeof verdictOf> & { readonly python: string | undefined; readonly live?: LiveInstall };

/** What upstream would have to give is what is not here. */
function explain({ code, message }: { readonly code: string | undefined; readonly message: string }): string {
  return code?.startsWith('upstream-') ? 'not stored here' : message;
}

/**
 * `readiness` is the share of what would be served; it rounds down, so that 1 means all. What only an installer can know
 * counts as missing until a live install succeeds.
 */
function verdictOf(lock: WalkedLock, live?: LiveInstall) {
  const { path, findings, others, unfit, elsewhere, built, past } = lock;
  const unknown = live?.succeeded ? [] : lock.unknown;
  const needed = [...findings, ...unfit, ...unknown];
  const missing = needed.filter(isMissing);
  const served = needed.length - missing.length;
  const readiness = needed.length === 0 ? 1 : Math.floor((served / needed.length) * 1000) / 1000;
  const missingElsewhere = others.filter(isMissing);
  const forOthers = {
    wanted: others.length,
    served: others.length - missingElsewhere.length,
    missing: missingElsewhere,
  };
  const counts = { path, readiness, wanted: needed.length, served };
  return { ...counts, needed, missing, others: forOthers, elsewhere, built, past };
}

function isMissing({ problem }: Finding): boolean {
  return problem !== undefined;
}

function tell(terminal: Terminal, lock: WalkedLock, verdict: Verdict): void {
  const { path, readiness, wanted, served, missing, others, python, live } = verdict;
  const all = missing.length === 0 ? 'would survive' : 'would NOT survive';
  const share = `${served} of ${countText(wanted, 'item')} (${Number((readiness * 100).toFixed(1))} %)`;
  terminal.out(`${path}: ${all} an outage now${python === undefined ? '' : ` on ${python}`}; ${share}`);
  for (const what of ['page', 'file', 'metadata', 'build'] as const) {
    const kind = verdict.needed.filter((finding) => finding.what === what);
    const lost = kind.filter(isMissing);
    if (kind.length > 0) terminal.out(`  ${what.padEnd(9)}${kind.length - lost.length} of ${kind.length}`);
    for (const { name, problem } of lost) terminal.out(`    ${name}: ${problem}`);
  }
  if (others.wanted > 0)
    terminal.out(`  others   ${others.served} of ${others.wanted}, which only other platforms ask for`);
  if (live !== undefined) {
    terminal.out(`  live     ${live.succeeded ? 'installed' : 'could NOT be installed'} by ${live.installer}`);
    if (!live.succeeded) for (const line of live.output.trimEnd().split(/\r?\n/)) terminal.out(`    ${line}`);
  }
  for (const note of lockNotes(lock)) terminal.out(`  ${note}`);
}
