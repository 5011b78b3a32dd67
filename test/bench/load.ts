// The load tool: wrk with one thread, which costs less CPU than what it measures. Closed loop, so its rates are what a
// server can do, and its latencies are those under full load; waiting times at a given rate are steady-load.ts.

import type { Stage } from './stage.ts';

export interface LoadOptions {
  readonly url: string;
  readonly fields: Readonly<Record<string, string>>;
  readonly connections: number;
  readonly seconds: number;
}

export interface LoadResult {
  readonly requests: number;
  readonly requestsPerSecond: number;
  /** Bytes that wrk read, heads included. */
  readonly bytes: number;
  readonly megabytesPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Rejects when any answer was an error: a rate of failures is no rate. */
export async function runLoad(stage: Stage, { url, fields, connections, seconds }: LoadOptions): Promise<LoadResult> {
  const heads = Object.entries(fields).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '30s', '--latency', ...heads, url];
  return parseOutput(await stage.run('wrk', args));
}

function parseOutput(output: string): LoadResult {
  const failed = /Non-2xx or 3xx responses: \d+|Socket errors: (?!connect 0, read 0, write 0, timeout 0).*/.exec(
    output,
  );
  if (failed) throw new Error(`wrk saw failures: ${failed[0]}`);
  const total = /(\d+) requests in ([\d.]+)(s|m), ([\d.]+)([KMGT]?)B read/.exec(output);
  if (!total) throw new Error(`wrk said something else than expected:\n${output}`);
  const [, requests, time, unit, amount, prefix] = total as unknown as [string, string, string, string, string, string];
  const seconds = Number(time) * (unit === 'm' ? 60 : 1);
  const bytes = Number(amount) * 1024 ** ' KMGT'.indexOf(prefix === '' ? ' ' : prefix);
  return {
    requests: Number(requests),
    requestsPerSecond: Number(requests) / seconds,
    bytes,
    megabytesPerSecond: bytes / 1e6 / seconds,
    p50Ms: latency(output, 50),
    p99Ms: latency(output, 99),
  };
}

const MILLISECONDS = { us: 0.001, ms: 1, s: 1000, m: 60_000 };

function latency(output: string, percent: number): number {
  const found = new RegExp(`^\\s+${percent}%\\s+([\\d.]+)(us|ms|s|m)$`, 'm').exec(output);
  return found ? Number(found[1]) * MILLISECONDS[found[2] as keyof typeof MILLISECONDS] : Number.NaN;
}
