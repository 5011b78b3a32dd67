// The time until /-/ready, with an empty folder and with a million stored files, and what an idle process occupies.

import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from '../bench-context.ts';
import { figure, median } from '../figures.ts';
import { pssMegabytes } from '../process-cost.ts';
import { startWheelkeep } from '../servers.ts';
import { fillStore } from '../stored-files.ts';

const IDLE_MS = 5_000;
/** Making the million files may take this long; what was made until then is used. */
const FILLING_LIMIT_MS = 120_000;
const STORED_FILES = 1_000_000;

interface Starts {
  readonly startMs: readonly number[];
  readonly pssMegabytes: readonly number[];
}

export async function start(bench: Bench): Promise<void> {
  const empty = await startOften(bench, undefined);
  bench.say(`making up to ${STORED_FILES.toLocaleString('en-US')} stored files`);
  const dataDir = await bench.stage.newFolder('stored');
  const stored = await fillStore(dataDir, STORED_FILES, FILLING_LIMIT_MS);
  bench.say(`${stored.toLocaleString('en-US')} stored files`);
  const full = await startOften(bench, dataDir);
  await rm(dataDir, { recursive: true });

  const count = `${stored.toLocaleString('en-US')} stored files`;
  bench.report.table(
    'start and idle',
    [
      { name: 'empty folder', starts: empty },
      { name: count, starts: full },
    ].map(({ name, starts }) => ({
      name,
      cells: { 'ready after ms': figure(starts.startMs), 'idle PSS MB': figure(starts.pssMegabytes) },
    })),
  );
  judge(bench, 'start, empty folder', empty, 0.7);
  judge(bench, `start, ${count}`, full, 2);
  bench.report.judge({
    work: 'idle',
    what: 'PSS',
    value: median(empty.pssMegabytes),
    limit: { atMost: 80 },
    unit: ' MB',
  });
}

/** The first start is left out: it fills the compile cache and the page cache. */
async function startOften(bench: Bench, dataDir: string | undefined): Promise<Starts> {
  bench.say(dataDir === undefined ? 'start with an empty folder' : 'start with stored files');
  const startMs: number[] = [];
  const pss: number[] = [];
  for (let round = 0; round <= bench.rounds; round++) {
    const server = await startWheelkeep(bench.stage, {
      upstream: bench.upstream.origin,
      ...(dataDir === undefined ? {} : { dataDir }),
    });
    if (round > 0) {
      startMs.push(server.startMs);
      await sleep(IDLE_MS);
      pss.push(pssMegabytes(server.pid));
    }
    await server.stop();
    bench.step(round, bench.rounds);
  }
  return { startMs, pssMegabytes: pss };
}

function judge(bench: Bench, work: string, { startMs }: Starts, seconds: number): void {
  const value = median(startMs) / 1000;
  bench.report.judge({ work, what: 'ready', value, limit: { atMost: seconds }, unit: ' s' });
}
