// Runs the public HTTP cache suite against a raw mount and says how each case ended, by the suite's own rules.

import { type ChildProcess, execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { startProxy } from '../support/proxy/proxy.ts';

export type Kind = 'required' | 'optimal' | 'check';

/** `setup`, `retry` and `harness` say that a case could not be played; `dependency` that it builds on a failed one. */
export type Verdict = 'pass' | 'fail' | 'setup' | 'retry' | 'harness' | 'dependency';

export interface CaseResult {
  readonly id: string;
  readonly kind: Kind;
  readonly verdict: Verdict;
  /** What the suite says of a failure. */
  readonly message: string;
}

interface Case {
  readonly id: string;
  readonly kind?: Kind;
  readonly browser_only?: boolean;
  readonly depends_on?: readonly string[];
}

type RawResult = true | readonly [name: string, message: string];

/** Left out: Surrogate-Control is obsolete. */
const LEFT_OUT = 'surrogate-control';
/** Some cases wait three seconds twice; a hundred run at a time. */
const SUITE_TIMEOUT_MS = 300_000;

const run = promisify(execFile);
const root = dirname(createRequire(import.meta.url).resolve('http-cache-tests/package.json'));

/** Plays all cases against a raw mount that names only its origin, at the root of a listener of its own. */
export async function playSuite(): Promise<CaseResult[]> {
  const origin = fork(join(import.meta.dirname, 'origin.ts'), { silent: true });
  try {
    const [port] = (await once(origin, 'message')) as [number];
    const proxy = await startProxy({
      upstreams: [`http://127.0.0.1:${port}/simple/`],
      config: {
        raw: [
          {
            name: 'suite',
            origin: `http://127.0.0.1:${port}/`,
            listen: { host: '127.0.0.1', port: 0 },
            maxBodyBytes: 1_000_000,
            redirectOrigins: [],
          },
        ],
      },
    });
    try {
      return await judged(await askSuite(proxy.app.rawUrls.get('suite')!));
    } finally {
      await proxy.close();
    }
  } finally {
    await ended(origin);
  }
}

async function askSuite(url: string): Promise<Record<string, RawResult>> {
  const { stdout } = await run(process.execPath, ['--no-warnings', join(root, 'cli.mjs')], {
    cwd: root,
    env: { ...process.env, npm_config_base: url.replace(/\/$/, ''), npm_config_id: '', npm_package_config_id: '' },
    maxBuffer: 64 * 1024 * 1024,
    timeout: SUITE_TIMEOUT_MS,
  });
  return JSON.parse(stdout) as Record<string, RawResult>;
}

async function judged(results: Record<string, RawResult>): Promise<CaseResult[]> {
  const module = 'http-cache-tests/tests/index.mjs';
  const { default: groups } = (await import(module)) as {
    readonly default: readonly { readonly id: string; readonly tests: readonly Case[] }[];
  };
  const cases = new Map(groups.flatMap(({ tests }) => tests).map((one) => [one.id, one]));
  const verdictOf = (id: string): Verdict => {
    const result = results[id];
    if (result === undefined) return 'harness';
    const builtOn = cases.get(id)?.depends_on ?? [];
    if (builtOn.some((other) => verdictOf(other) !== 'pass')) return 'dependency';
    if (result === true) return 'pass';
    const [name, message] = result;
    if (name === 'Setup') return message === 'retry' ? 'retry' : 'setup';
    return name === 'Assertion' ? 'fail' : 'harness';
  };
  return groups
    .filter(({ id }) => id !== LEFT_OUT)
    .flatMap(({ tests }) => tests)
    .filter((one) => one.browser_only !== true)
    .map(({ id, kind = 'required' }) => {
      const result = results[id];
      return { id, kind, verdict: verdictOf(id), message: Array.isArray(result) ? result.join(': ') : '' };
    });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  child.disconnect();
  await once(child, 'exit');
}
