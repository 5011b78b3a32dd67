// Five thousand projects, asked for again and again: memory must not grow with what has been seen, only with its
// budget.

import { setTimeout as sleep } from 'node:timers/promises';
import { type Bench, MEGABYTE, PAGE_FIELDS } from '../bench-context.ts';
import { fetchWhole } from '../fetch-whole.ts';
import { figure } from '../figures.ts';
import { pssMegabytes } from '../process-cost.ts';
import { startWheelkeep } from '../servers.ts';
import { projectName } from '../upstream/projects.ts';

const WORK = '5,000 projects';
const PROJECTS = 5_000;
const AT_ONCE = 16;
const PASSES = 3;
/** For the garbage of a pass. */
const REST_MS = 3_000;
/** The default of the option `memory`, in bytes. */
const BUDGET_MEGABYTES = 64 * 1.048_576;

export async function projects(bench: Bench): Promise<void> {
  bench.say(WORK);
  const { stage, upstream, report } = bench;
  // Who strips and compiles the sources itself begins with 30 MB more, which would be missed in what comes after.
  await (await startWheelkeep(stage, { upstream: upstream.origin })).stop();
  const server = await startWheelkeep(stage, { upstream: upstream.origin });
  await sleep(REST_MS);
  const atStart = pssMegabytes(server.pid) * 1.048_576;
  const memory: number[] = [];
  for (let pass = 0; pass < PASSES; pass++) {
    await askAll(server.url);
    await sleep(REST_MS);
    memory.push(pssMegabytes(server.pid) * 1.048_576);
    bench.step(pass + 1, PASSES);
  }
  await server.stop();
  const [first, second] = memory as [number, number];
  report.table(`${WORK} of 5 files`, [
    { name: 'at the start', cells: { 'PSS MB': figure([atStart]) } },
    ...memory.map((megabytes, pass) => ({ name: `after pass ${pass + 1}`, cells: { 'PSS MB': figure([megabytes]) } })),
  ]);
  report.judge({
    work: WORK,
    what: 'memory in a second pass',
    value: second / first,
    limit: { atMost: 1.05 },
    unit: 'x',
  });
  const beyond = Math.max(0, Math.max(...memory) - atStart - BUDGET_MEGABYTES);
  report.judge({
    work: WORK,
    what: 'a project, beyond the byte budget',
    value: (beyond * MEGABYTE) / PROJECTS / 1000,
    limit: { atMost: 5 },
    unit: ' KB',
    remark: `${(((Math.max(...memory) - atStart) * 1000) / PROJECTS).toFixed(1)} KB with the budget of 64 MB`,
  });
}

async function askAll(url: string): Promise<void> {
  let next = 0;
  const asker = async () => {
    while (next < PROJECTS) {
      const { status } = await fetchWhole(`${url}/simple/${projectName(5, 51_200, `many-${next++}`)}/`, PAGE_FIELDS);
      if (status !== 200) throw new Error(`a project was answered ${status}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, asker));
}
