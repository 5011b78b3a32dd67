// Two hundred clients want one large file that nobody has asked for yet, from an upstream that gives 10 MB/s. The same
// clients ask a bare server for another such file: what that one cannot give the runtime, or this machine, cannot.

import { setTimeout as sleep } from 'node:timers/promises';
import { type Bench, FILE_FIELDS, MEGABYTE, PAGE_FIELDS } from '../bench-context.ts';
import { type Crowd, startCrowd } from '../crowd/crowd.ts';
import { fetchWhole } from '../fetch-whole.ts';
import { figure, median } from '../figures.ts';
import { cpuSeconds, rssMegabytes } from '../process-cost.ts';
import { type Server, startBareFanOut, startWheelkeep } from '../servers.ts';
import { fileDigest, filePath, projectName } from '../upstream/projects.ts';

const WORK = '200 clients, one cold 100 MB file';
const CLIENTS = 200;
const HASHED = 3;
const FILE_BYTES = 100 * MEGABYTE;
const WARM_UP_BYTES = 2 * MEGABYTE;
const BYTES_PER_SECOND = 10 * MEGABYTE;
const IDEAL_MS = 10_000;
const LOOK_MS = 100;
/** Clients that need more of their core than this were what limited, not the server. */
const LOADED = 0.85;
/** Where a bare server's median first byte comes later, clients and machine leave too little of the 100 ms. */
const LATE_MS = 70;

/** What a server was for the crowd. */
interface Served {
  readonly firstByteMs: number;
  readonly lastDoneMs: number;
  readonly peakMegabytes: number;
  readonly cpuPerGigabyte: number;
  readonly clientsLoad: number;
  readonly requests: number;
}

export async function stampede(bench: Bench): Promise<void> {
  bench.say(`${WORK}, upstream at 10 MB/s`);
  const { stage, upstream, report, profileFolder } = bench;
  const crowd = startCrowd(stage);

  const bare = await startBareFanOut(stage);
  const askBare = async (label: string, bytes: number) => {
    const path = await slowFile(bench, projectName(1, bytes, label));
    await bare.learn(upstream.origin + path, {});
    return serve(bench, crowd, { server: bare, url: bare.url + path, path, bytes });
  };
  // At first the clients' own code is compiled while they ask.
  await askBare('warm-up', WARM_UP_BYTES);
  const runtime = await askBare('stampede-bare', FILE_BYTES);
  await bare.stop();

  const server = await startWheelkeep(stage, { upstream: upstream.origin, profileFolder });
  const project = projectName(1, FILE_BYTES, 'stampede');
  const path = await slowFile(bench, project);
  await fetchWhole(`${server.url}/simple/${project}/`, PAGE_FIELDS);
  const url = `${server.url}/files/http/${new URL(upstream.origin).host}${path}`;
  const served = await serve(bench, crowd, { server, url, path, bytes: FILE_BYTES });
  await server.stop();

  report.table(WORK, [
    { name: 'wheelkeep', cells: cellsOf(served) },
    { name: 'bare node:http', cells: cellsOf(runtime) },
  ]);
  const { firstByteMs, lastDoneMs, peakMegabytes, requests } = served;
  report.judge({ work: WORK, what: 'upstream requests', value: requests, limit: { atMost: 1 } });
  report.judge({
    work: WORK,
    what: 'median first byte',
    value: firstByteMs,
    limit: { atMost: 100 },
    unit: ' ms',
    unclear: runtime.firstByteMs > LATE_MS ? 'clients and machine were the limit' : undefined,
    remark: `a bare server's: ${Math.round(runtime.firstByteMs)} ms`,
  });
  report.judge({
    work: WORK,
    what: 'last done to the ideal 10 s',
    value: lastDoneMs / IDEAL_MS,
    limit: { atMost: 1.05 },
    unit: 'x',
    unclear: served.clientsLoad > LOADED ? 'the clients themselves were the limit' : undefined,
  });
  report.judge({ work: WORK, what: 'peak RSS', value: peakMegabytes, limit: { atMost: 250 }, unit: ' MB' });
}

/** The path of the project's file, which upstream gives slowly from now on. */
async function slowFile({ upstream }: Bench, project: string): Promise<string> {
  const path = filePath(project, 0);
  await upstream.shape({ part: path, bytesPerSecond: BYTES_PER_SECOND });
  return path;
}

/** Throws unless every client gets the file of that path. */
async function serve(
  { upstream }: Bench,
  crowd: Crowd,
  { server, url, path, bytes }: { readonly server: Server; readonly url: string; readonly path: string; bytes: number },
): Promise<Served> {
  const cpuBefore = cpuSeconds(server.pid);
  const memory = watchMemory(server);
  const { clients, load } = await crowd.download({ url, fields: FILE_FIELDS, clients: CLIENTS, hashed: HASHED });
  const peakMegabytes = await memory.peak();
  const cpuPerGigabyte = (cpuSeconds(server.pid) - cpuBefore) / ((CLIENTS * bytes) / 1e9);
  const digest = fileDigest(path);
  const wrong = clients.find(
    (client) =>
      client.status !== 200 ||
      client.bytes !== bytes ||
      client.error !== undefined ||
      (client.sha256 ?? digest) !== digest,
  );
  if (wrong !== undefined) throw new Error(`a client of the stampede got ${JSON.stringify(wrong)}`);
  return {
    firstByteMs: median(clients.map((client) => client.firstByteMs)),
    lastDoneMs: Math.max(...clients.map((client) => client.totalMs)),
    peakMegabytes,
    cpuPerGigabyte,
    clientsLoad: load,
    requests: await upstream.count(path),
  };
}

function cellsOf(served: Served) {
  return {
    'upstream requests': String(served.requests),
    'median first byte ms': figure([served.firstByteMs]),
    'last done ms': figure([served.lastDoneMs]),
    'peak RSS MB': figure([served.peakMegabytes]),
    'CPU s/GB': figure([served.cpuPerGigabyte]),
    "clients' load": `${Math.round(served.clientsLoad * 100)}% of a core`,
  };
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
