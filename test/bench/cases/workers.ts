// Several workers on one port: what a request costs beside one worker, and whether two do more than one.

import { availableParallelism } from 'node:os';
import { type Bench, PAGE_FIELDS } from '../bench-context.ts';
import { checkPage } from '../check-answers.ts';
import { processTree } from '../process-cost.ts';
import { startBare, startBareWorkers, startWheelkeep } from '../servers.ts';
import { compare, noise, requestRows, sideBySide } from '../side-by-side.ts';
import { projectName } from '../upstream/projects.ts';

const WORK = 'hot page, 2 workers';
/** With fewer, the load tool and one worker use the whole machine. */
const CORES_FOR_SCALING = 4;

export async function workers(bench: Bench): Promise<void> {
  const { stage, upstream, report } = bench;
  const one = await startWheelkeep(stage, { upstream: upstream.origin });
  const settings = { WHEELKEEP_WORKERS: '2' };
  const two = {
    ...(await startWheelkeep(stage, { upstream: upstream.origin, settings })),
    name: 'wheelkeep, 2 workers',
  };
  if (processTree(two.pid).length < 3) {
    report.unmeasured(WORK, 'CPU per request to one worker <= 1.1x', 'it runs no worker processes');
  } else {
    const path = `/simple/${projectName(25, 51_200, 'workers')}/`;
    const bare = await startBare(stage);
    const bareTwo = await startBareWorkers(stage);
    for (const server of [bare, bareTwo]) await server.learn(one.url + path, PAGE_FIELDS);
    const servers = [one, two, bare, bareTwo];
    for (const server of servers) await checkPage(server.url + path, 25);
    const contenders = servers.map((server) => ({ server, path, fields: PAGE_FIELDS }));
    const result = await sideBySide(bench, WORK, contenders, 64);
    report.table(`${WORK} (64 connections)`, requestRows(result));
    const runtime = compare(result, bareTwo.name, bare.name, 'cpuMicrosPerRequest').median;
    report.judge({
      work: WORK,
      what: 'CPU per request to one worker',
      value: compare(result, two.name, one.name, 'cpuMicrosPerRequest').median,
      limit: { atMost: 1.1 },
      unit: 'x',
      unclear: noise(result, one.name),
      remark: `${bare.name} ${runtime.toFixed(2)}x`,
    });
    const cores = availableParallelism();
    report.judge({
      work: WORK,
      what: 'requests/s to one worker',
      value: compare(result, two.name, one.name, 'requestsPerSecond').median,
      limit: { atLeast: 1.7 },
      unit: 'x',
      unclear: cores < CORES_FOR_SCALING ? `needs ${CORES_FOR_SCALING} cores, here are ${cores}` : undefined,
    });
    await Promise.all([bare.stop(), bareTwo.stop()]);
  }
  await Promise.all([one.stop(), two.stop()]);
}
