// Hot index pages: a small one, a large one, and the 304 of the small one, as installers ask for them.

import { type Bench, PAGE_FIELDS } from '../bench-context.ts';
import { checkPage } from '../check-answers.ts';
import { fetchWhole } from '../fetch-whole.ts';
import { type BareServer, type Server, startBare, startNginx, startWheelkeep } from '../servers.ts';
import { type Comparison, compare, noise, requestRows, sideBySide } from '../side-by-side.ts';
import { projectName } from '../upstream/projects.ts';
import { arriving } from './arriving.ts';
import { workers } from './workers.ts';

const CONNECTIONS = 64;
const WHEEL_BYTES = 51_200;

interface Field {
  readonly wheelkeep: Server;
  readonly usual: Server;
  readonly tuned: Server;
  readonly bare: BareServer;
}

export async function pages(bench: Bench): Promise<void> {
  const { stage, upstream, profileFolder } = bench;
  const field: Field = {
    wheelkeep: await startWheelkeep(stage, { upstream: upstream.origin, profileFolder }),
    usual: await startNginx(stage, 'usual', upstream.origin),
    tuned: await startNginx(stage, 'tuned', upstream.origin),
    bare: await startBare(stage),
  };
  await hotPage(bench, field);
  await hotLargePage(bench, field);
  await notModified(bench, field);
  await Promise.all(Object.values(field).map((server) => server.stop()));
  await workers(bench);
  await arriving(bench);
}

async function hotPage(bench: Bench, field: Field): Promise<void> {
  const result = await comparePage(bench, field, 'hot page', 25);
  const unclear = noise(result, field.bare.name);
  const work = 'hot page';
  judgeRate(bench, result, { work, to: field.bare, atLeast: 0.9, unclear });
  judgeRate(bench, result, { work, to: field.tuned, atLeast: 0.8, unclear });
  judgeRate(bench, result, { work, to: field.usual, atLeast: 2.5, unclear });
}

async function hotLargePage(bench: Bench, field: Field): Promise<void> {
  const result = await comparePage(bench, field, 'hot large page', 7_000);
  const unclear = noise(result, field.bare.name);
  const work = 'hot large page';
  judgeRate(bench, result, { work, to: field.tuned, atLeast: 0.9, unclear });
  judgeRate(bench, result, { work, to: field.usual, atLeast: 50, unclear });
}

async function comparePage(bench: Bench, field: Field, work: string, files: number): Promise<Comparison> {
  const path = `/simple/${projectName(files, WHEEL_BYTES, 'hot')}/`;
  await field.bare.learn(field.wheelkeep.url + path, PAGE_FIELDS);
  const servers = [field.wheelkeep, field.bare, field.tuned, field.usual];
  for (const server of servers) await checkPage(server.url + path, files);
  const contenders = servers.map((server) => ({ server, path, fields: PAGE_FIELDS }));
  const result = await sideBySide(bench, `${work}: ${files} files, JSON, gzip`, contenders, CONNECTIONS);
  bench.report.table(`${work} (${CONNECTIONS} connections)`, requestRows(result));
  return result;
}

async function notModified(bench: Bench, field: Field): Promise<void> {
  const path = `/simple/${projectName(25, WHEEL_BYTES, 'hot')}/`;
  const contenders = await Promise.all(
    [field.wheelkeep, field.bare, field.tuned].map(async (server) => {
      const { etag = '' } = (await fetchWhole(server.url + path, PAGE_FIELDS)).fields;
      const fields = { ...PAGE_FIELDS, 'if-none-match': etag };
      const { status } = await fetchWhole(server.url + path, fields);
      if (status !== 304) throw new Error(`${server.name} answered ${status} instead of 304 to its own tag ${etag}`);
      return { server, path, fields };
    }),
  );
  const work = '304 on a hot page';
  const result = await sideBySide(bench, work, contenders, CONNECTIONS);
  bench.report.table(`${work} (${CONNECTIONS} connections)`, requestRows(result));
  const unclear = noise(result, field.bare.name);
  judgeRate(bench, result, { work, to: field.bare, atLeast: 0.95, unclear });
  judgeRate(bench, result, { work, to: field.tuned, atLeast: 0.6, unclear });
}

interface RatePromise {
  readonly work: string;
  readonly to: Server;
  readonly atLeast: number;
  readonly unclear: string | undefined;
}

function judgeRate(bench: Bench, result: Comparison, { work, to, atLeast, unclear }: RatePromise): void {
  const cpu = compare(result, 'wheelkeep', to.name, 'cpuMicrosPerRequest').median;
  bench.report.judge({
    work,
    what: `requests/s to ${to.name}`,
    value: compare(result, 'wheelkeep', to.name, 'requestsPerSecond').median,
    limit: { atLeast },
    unit: 'x',
    unclear,
    remark: `CPU per request ${cpu.toFixed(2)}x`,
  });
}
