// A real Prometheus of the test's own on a free loopback port: it reads a configuration, scrapes, and answers queries.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { until } from '../clock/until.ts';
import { temporaryFolder } from '../disk/temporary-folder.ts';
import { freePort } from './free-port.ts';
import { fetchAll } from './http-client.ts';

/** Why tests that need Prometheus cannot run here; false when they can (the shape of node:test's `skip`). */
export const prometheusMissing: string | false = (() => {
  try {
    execFileSync('sh', ['-c', 'command -v prometheus'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'there is no prometheus on this machine';
  }
})();

/** One element of an instant vector. */
export interface PrometheusSample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A rule as Prometheus reports it. */
export interface PrometheusRule {
  readonly name: string;
  readonly health: 'ok' | 'err' | 'unknown';
  readonly lastError?: string;
}

export interface PrometheusServer {
  /** The instant vector of `expression` now. Throws an Error with Prometheus' own words when it cannot be parsed. */
  query(expression: string): Promise<readonly PrometheusSample[]>;
  /** Every rule of the rule files, each with the health of its last evaluation. */
  rules(): Promise<readonly PrometheusRule[]>;
}

/** Starts Prometheus with the configuration file at `configPath` and resolves when it answers; it ends with the test. */
export async function startPrometheus(t: TestContext, configPath: string): Promise<PrometheusServer> {
  const folder = await temporaryFolder(t);
  const port = await freePort();
  const flags = [
    `--config.file=${configPath}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
    '--log.level=warn',
  ];
  const child = spawn('prometheus', flags, { stdio: ['ignore', 'ignore', 'pipe'] });
  const exit = once(child, 'exit');
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  t.after(async () => {
    child.kill('SIGKILL');
    await exit;
  });
  const url = `http://127.0.0.1:${port}`;
  await until(
    async () => {
      if (child.exitCode !== null) throw new Error(`Prometheus ended with ${child.exitCode}:\n${output}`);
      return await fetchAll(`${url}/-/ready`).then(
        ({ status }) => status === 200,
        () => false,
      );
    },
    'Prometheus is ready',
    20_000,
  );
  return {
    query: async (expression) => {
      const response = await fetchAll(`${url}/api/v1/query?query=${encodeURIComponent(expression)}`);
      const { error, data } = response.json() as QueryAnswer;
      if (data === undefined) throw new Error(`${expression}: ${error}`);
      return data.result.map(({ metric, value: [, value] }) => ({ labels: metric, value: Number(value) }));
    },
    rules: async () => {
      const { data } = (await fetchAll(`${url}/api/v1/rules`)).json() as RulesAnswer;
      return data.groups.flatMap(({ rules }) => rules);
    },
  };
}

interface QueryAnswer {
  readonly error?: string;
  readonly data?: {
    readonly result: readonly { readonly metric: Record<string, string>; readonly value: [number, string] }[];
  };
}

interface RulesAnswer {
  readonly data: { readonly groups: readonly { readonly rules: readonly PrometheusRule[] }[] };
}
