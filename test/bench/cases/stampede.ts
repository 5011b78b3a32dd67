// Two hundred clients want one large file that nobody has asked for yet, from an upstream that gives 10 MB/s.

import { setTimeout as sleep } from 'node:timers/promises';
import { type Bench, FILE_FIELDS, MEGABYTE, PAGE_FIELDS } from '../bench-context.ts';
import { startCrowd } from '../crowd/crowd.ts';
import { fetchWhole } from '../fetch-whole.ts';
import { figure, median } from '../figures.ts';
import { cpuSeconds, rssMegabytes } from '../process-cost.ts';
import { type Server, startWheelkeep } from '../servers.ts';
import { fileDigest, filePath, projectName } from '../upstream/projects.ts';

const WORK = '200 clients, one cold 100 MB file';
const CLIENTS = 200;
const HASHED = 3;
const FILE_BYTES = 100 * MEGABYTE;
const IDEAL_MS = 10_000;
const LOOK_MS = 100;
/** Clients that need more of their core than this were what limited, not the server. */
const LOADED = 0.85;

export async function stampede(bench: Bench): Promise<void> {
  bench.say(`${WORK}, upstream at 10 MB/s`);
  const { stage, upstream, report, profileFolder } = bench;
  const server = await startWheelkeep(stage, { upstream: upstream.origin, profileFolder });
  const project = projectName(1, FILE_BYTES, 'stampede');
  const path = filePath(project, 0);
  await upstream.shape({ part: path, bytesPerSecond: FILE_BYTES / (IDEAL_MS / 1000) });
  await fetchWhole(`${server.url}/simple/${project}/`, PAGE_FIELDS);

  const cpuBefore = cpuSeconds(server.pid);
  const memory = watchMemory(server);
  const url = `${server.url}/files/http/${new URL(upstream.origin).host}${path}`;
  const crowd = await startCrowd(stage).download({ url, fields: FILE_FIELDS, clients: CLIENTS, hashed: HASHED });
  const { clients } = crowd;
  const peak = await memory.peak();
  const cpuPerGigabyte = (cpuSeconds(server.pid) - cpuBefore) / ((CLIENTS * FILE_BYTES) / 1e9);
  const digest = fileDigest(path);
  const wrong = clients.find(
    ({ status, bytes, sha256, error }) =>
      status !== 200 || bytes !== FILE_BYTES || error !== undefined || (sha256 ?? digest) !== digest,
  );
  if (wrong !== undefined) throw new Error(`a client of the stampede got ${JSON.stringify(wrong)}`);
  const requests = await upstream.count(path);
  const firstByteMs = median(clients.map((client) => client.firstByteMs));
  const lastDoneMs = Math.max(...clients.map((client) => client.totalMs));
  await server.stop();

  report.table(WORK, [
    {
      name: 'wheelkeep',
      cells: {
        'upstream requests': String(requests),
        'median first byte ms': figure([firstByteMs]),
        'last done ms': figure([lastDoneMs]),
        'peak RSS MB': figure([peak]),
        'CPU s/GB': figure([cpuPerGigabyte]),
        "clients' load": `${Math.round(crowd.load * 100)}% of a core`,
      },
    },
  ]);
  const unclear = crowd.load > LOADED ? 'the clients themselves were the limit' : undefined;
  report.judge({ work: WORK, what: 'upstream requests', value: requests, limit: { atMost: 1 } });
  report.judge({ work: WORK, what: 'median first byte', value: firstByteMs, limit: { atMost: 100 }, unit: ' ms' });
  const late = lastDoneMs / IDEAL_MS;
  report.judge({
    work: WORK,
    what: 'last done to the ideal 10 s',
    value: late,
    limit: { atMost: 1.05 },
    unit: 'x',
    unclear,
  });
  report.judge({ work: WORK, what: 'peak RSS', value: peak, limit: { atMost: 250 }, unit: ' MB' });
}

/** Looks ten times a second until asked for the peak. */
function watchMemory(server: Server): { peak(): Promise<number> } {
  let watching = true;
  const watched = (async () => {
    let peak = 0;
    while (watching) {
      peak = Math.max(peak, rssMegabytes(server.pid));
      await sleep(LOOK_MS);
    }
    return peak;
  })();
  return {
    peak: () => {
      watching = false;
      return watched;
    },
  };
}
