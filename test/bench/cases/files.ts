// Hot distribution files: a small wheel by requests, a large one by volume, against nginx with sendfile.

import { type Bench, FILE_FIELDS, MEGABYTE, PAGE_FIELDS } from '../bench-context.ts';
import { checkFile } from '../check-answers.ts';
import { fetchWhole } from '../fetch-whole.ts';
import { type BareServer, type Server, startBare, startNginx, startWheelkeep } from '../servers.ts';
import { type Comparison, compare, noise, requestRows, sideBySide, volumeRows } from '../side-by-side.ts';
import { fileDigest, filePath, projectName } from '../upstream/projects.ts';

interface Field {
  readonly wheelkeep: Server;
  readonly nginx: Server;
  readonly bare: BareServer;
}

export async function files(bench: Bench): Promise<void> {
  const { stage, upstream, profileFolder } = bench;
  const field: Field = {
    wheelkeep: await startWheelkeep(stage, { upstream: upstream.origin, profileFolder }),
    nginx: await startNginx(stage, 'usual', upstream.origin),
    bare: await startBare(stage),
  };
  await hotWheel(bench, field);
  for (const connections of [1, 8]) await hotLargeFile(bench, field, connections);
  await Promise.all(Object.values(field).map((server) => server.stop()));
}

async function hotWheel(bench: Bench, field: Field): Promise<void> {
  const work = 'hot 50 KB wheel';
  const { path, digest } = await introduce(bench, field, 51_200);
  await field.bare.learn(field.wheelkeep.url + path, FILE_FIELDS);
  const servers = [field.wheelkeep, field.bare, field.nginx];
  for (const server of servers) await checkFile(server.url + path, digest);
  const contenders = servers.map((server) => ({ server, path, fields: FILE_FIELDS }));
  const result = await sideBySide(bench, work, contenders, 64);
  bench.report.table(`${work} (64 connections)`, requestRows(result));
  bench.report.judge({
    work,
    what: `requests/s to ${field.nginx.name}`,
    value: compare(result, 'wheelkeep', field.nginx.name, 'requestsPerSecond').median,
    limit: { atLeast: 0.45 },
    unit: 'x',
    unclear: noise(result, field.bare.name),
    remark: cpuRemark(result, field.nginx),
  });
}

async function hotLargeFile(bench: Bench, field: Field, connections: number): Promise<void> {
  const work = `hot 100 MB file, ${connections} connection${connections === 1 ? '' : 's'}`;
  const { path, digest } = await introduce(bench, field, 100 * MEGABYTE);
  const servers = [field.wheelkeep, field.nginx];
  for (const server of servers) await checkFile(server.url + path, digest);
  const contenders = servers.map((server) => ({ server, path, fields: FILE_FIELDS }));
  const result = await sideBySide(bench, work, contenders, connections);
  bench.report.table(work, volumeRows(result));
  const unclear = noise(result, field.nginx.name);
  bench.report.judge({
    work,
    what: `MB/s to ${field.nginx.name}`,
    value: compare(result, 'wheelkeep', field.nginx.name, 'megabytesPerSecond').median,
    limit: { atLeast: 0.9 },
    unit: 'x',
    unclear,
  });
  bench.report.judge({
    work,
    what: `CPU per GB to ${field.nginx.name}`,
    value: compare(result, 'wheelkeep', field.nginx.name, 'cpuSecondsPerGigabyte').median,
    limit: { atMost: 1.5 },
    unit: 'x',
    unclear,
  });
}

/** A file as an installer comes to know it: by its project's page. */
async function introduce(bench: Bench, field: Field, fileBytes: number) {
  const { origin } = bench.upstream;
  const project = projectName(25, fileBytes, 'hot');
  await fetchWhole(`${field.wheelkeep.url}/simple/${project}/`, PAGE_FIELDS);
  const path = filePath(project, 0);
  return { path: `/files/http/${new URL(origin).host}${path}`, digest: fileDigest(path) };
}

function cpuRemark(result: Comparison, to: Server): string {
  return `CPU per request ${compare(result, 'wheelkeep', to.name, 'cpuMicrosPerRequest').median.toFixed(2)}x`;
}
