// The same load for each contender in turn, round after round: what disturbs the machine disturbs all of them alike.

import type { Bench } from './bench-context.ts';
import { type Figure, figure, ratio } from './figures.ts';
import { type LoadResult, runLoad } from './load.ts';
import { cpuSeconds, pssMegabytes } from './process-cost.ts';
import type { TableRow } from './report.ts';
import type { Server } from './servers.ts';

export interface Contender {
  readonly server: Server;
  readonly path: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** One contender in one round. */
export interface Round extends LoadResult {
  readonly cpuMicrosPerRequest: number;
  readonly cpuSecondsPerGigabyte: number;
}

export interface Compared {
  readonly rounds: readonly Round[];
  readonly pssMegabytes: number;
}

/** Results by the name of the server. */
export type Comparison = ReadonlyMap<string, Compared>;

/** Above this spread of the calmest contender's rates a run cannot tell. */
const NOISY = 0.25;
/** V8 compiles for about so long: before that, latencies are those of its compiler. */
const WARM_UP_SECONDS = 3;

export async function sideBySide(
  bench: Bench,
  title: string,
  contenders: readonly Contender[],
  connections: number,
): Promise<Comparison> {
  bench.say(title);
  const rounds = new Map<string, Round[]>(contenders.map(({ server }) => [server.name, []]));
  for (const contender of contenders) await runOne(bench, contender, connections, WARM_UP_SECONDS);
  for (let round = 0; round < bench.rounds; round++) {
    for (const contender of contenders) {
      rounds.get(contender.server.name)!.push(await runOne(bench, contender, connections, bench.seconds));
    }
    bench.step(round + 1, bench.rounds);
  }
  return new Map(
    contenders.map(({ server }) => [
      server.name,
      { rounds: rounds.get(server.name)!, pssMegabytes: pssMegabytes(server.pid) },
    ]),
  );
}

async function runOne(bench: Bench, contender: Contender, connections: number, seconds: number): Promise<Round> {
  const { server, path, fields } = contender;
  const before = cpuSeconds(server.pid);
  const result = await runLoad(bench.stage, { url: server.url + path, fields, connections, seconds });
  const cpu = cpuSeconds(server.pid) - before;
  return {
    ...result,
    cpuMicrosPerRequest: (cpu * 1e6) / result.requests,
    cpuSecondsPerGigabyte: cpu / (result.bytes / 1e9),
  };
}

/** How many times the rate (or the cost) of `mine` is that of `theirs`. */
export function compare(
  comparison: Comparison,
  mine: string,
  theirs: string,
  of: 'requestsPerSecond' | 'megabytesPerSecond' | 'cpuMicrosPerRequest' | 'cpuSecondsPerGigabyte',
): Figure {
  const values = (name: string) => comparison.get(name)!.rounds.map((round) => round[of]);
  return ratio(values(mine), values(theirs));
}

/** Why this comparison cannot tell, by the spread of one contender's rates; undefined when it can. */
export function noise(comparison: Comparison, reference: string): string | undefined {
  const { spread } = figure(comparison.get(reference)!.rounds.map((round) => round.requestsPerSecond));
  return spread > NOISY ? `too noisy: ${reference} varied by ${Math.round(spread * 100)}%` : undefined;
}

export function requestRows(comparison: Comparison): TableRow[] {
  return [...comparison].map(([name, { rounds, pssMegabytes: pss }]) => ({
    name,
    cells: {
      'req/s': figure(rounds.map((round) => round.requestsPerSecond)),
      'CPU us/req': figure(rounds.map((round) => round.cpuMicrosPerRequest)),
      'p50 ms': figure(rounds.map((round) => round.p50Ms)),
      'p99 ms': figure(rounds.map((round) => round.p99Ms)),
      'PSS MB': figure([pss]),
    },
  }));
}

export function volumeRows(comparison: Comparison): TableRow[] {
  return [...comparison].map(([name, { rounds, pssMegabytes: pss }]) => ({
    name,
    cells: {
      'MB/s': figure(rounds.map((round) => round.megabytesPerSecond)),
      'CPU s/GB': figure(rounds.map((round) => round.cpuSecondsPerGigabyte)),
      'PSS MB': figure([pss]),
    },
  }));
}
