// What nobody has asked for yet: a page and a file that have to be fetched, beside the same request sent to upstream
// directly, and to a bare server that fetches and keeps it. One client, one request after the other, over connections
// that are open, of servers that are in use: the first hundreds of requests show V8 compiling, not the work.

import { type Bench, FILE_FIELDS, MEGABYTE, PAGE_FIELDS } from '../bench-context.ts';
import { fetchWhole, type Whole } from '../fetch-whole.ts';
import { figure, median, ratio } from '../figures.ts';
import { type Server, startBarePullThrough, startWheelkeep } from '../servers.ts';
import { filePath, projectName } from '../upstream/projects.ts';

/** How far away the upstream is. */
const AWAY_MS = 20;
const PAGES_A_ROUND = 20;
const WARM_UP_PAGES = 200;
const WARM_UP_FILES = 30;
/** So large that they are sent while they arrive, as those that are measured. */
const WARM_UP_BYTES = 3 * MEGABYTE;
/** Above this spread of the direct requests the difference of milliseconds says nothing. */
const NOISY_MS = 5;

export async function cold(bench: Bench): Promise<void> {
  const { stage, upstream, profileFolder } = bench;
  const server = await startWheelkeep(stage, { upstream: upstream.origin, profileFolder });
  const bare = await startBarePullThrough(stage);
  await bare.learn(upstream.origin, {});
  await bench.upstream.shape({ part: '-away', delayMs: AWAY_MS });
  await bench.upstream.shape({ part: '_away', delayMs: AWAY_MS, bytesPerSecond: 100 * MEGABYTE });
  await coldPages(bench, server, bare);
  await coldFiles(bench, server, bare, 'away');
  await coldFiles(bench, server, bare, 'near');
  await bare.stop();
  await server.stop();
}

async function coldPages(bench: Bench, server: Server, bare: Server): Promise<void> {
  const work = `cold page, upstream ${AWAY_MS} ms away`;
  bench.say(work);
  const direct: number[] = [];
  const through: number[] = [];
  const barely: number[] = [];
  const count = PAGES_A_ROUND * bench.rounds;
  for (let n = -WARM_UP_PAGES; n < count; n++) {
    const path = `/simple/${projectName(25, 51_200, `away-page-${n + WARM_UP_PAGES}`)}/`;
    // Directly first: the upstream makes its page then, and has it ready for Wheelkeep.
    await fetchWhole(bench.upstream.origin + path, PAGE_FIELDS);
    const directly = await fetchWhole(bench.upstream.origin + path, PAGE_FIELDS);
    const proxied = await fetchWhole(server.url + path, PAGE_FIELDS);
    const bared = await fetchWhole(bare.url + path, PAGE_FIELDS);
    if (n < 0) continue;
    direct.push(directly.totalMs);
    barely.push(bared.totalMs);
    through.push(proxied.totalMs);
    if ((n + 1) % PAGES_A_ROUND === 0) bench.step((n + 1) / PAGES_A_ROUND, bench.rounds);
  }
  bench.report.table(`${work} (${count} pages)`, [
    { name: 'direct', cells: { 'total ms': figure(direct) } },
    { name: 'wheelkeep', cells: { 'total ms': figure(through) } },
    { name: bare.name, cells: { 'total ms': figure(barely) } },
  ]);
  bench.report.judge({
    work,
    what: 'over direct',
    value: median(through) - median(direct),
    limit: { atMost: 3 },
    unit: ' ms',
    unclear: unsteady(direct),
    remark: `a bare server's: ${(median(barely) - median(direct)).toFixed(2)} ms`,
  });
}

async function coldFiles(bench: Bench, server: Server, bare: Server, where: 'away' | 'near'): Promise<void> {
  const away = where === 'away';
  const work = away ? `cold 100 MB file, ${AWAY_MS} ms away, 100 MB/s` : 'cold 100 MB file, bare loopback';
  bench.say(work);
  const { host } = new URL(bench.upstream.origin);
  const direct: Whole[] = [];
  const through: Whole[] = [];
  const barely: Whole[] = [];
  for (let round = -WARM_UP_FILES; round < bench.rounds; round++) {
    const sizeBytes = round < 0 ? WARM_UP_BYTES : 100 * MEGABYTE;
    const project = projectName(1, sizeBytes, `${where}-${round + WARM_UP_FILES}`);
    const path = filePath(project, 0);
    // An installer has read the page before it asks for the file.
    await fetchWhole(`${server.url}/simple/${project}/`, PAGE_FIELDS);
    const directly = await fetchWhole(bench.upstream.origin + path, FILE_FIELDS);
    const proxied = await fetchWhole(`${server.url}/files/http/${host}${path}`, FILE_FIELDS);
    const bared = await fetchWhole(bare.url + path, FILE_FIELDS);
    if (!directly.body.equals(proxied.body)) throw new Error(`${path} came with other bytes than direct`);
    if (round < 0) continue;
    direct.push(directly);
    through.push(proxied);
    barely.push(bared);
    bench.step(round + 1, bench.rounds);
  }
  const firsts = (wholes: readonly Whole[]) => wholes.map((whole) => whole.firstByteMs);
  const totals = (wholes: readonly Whole[]) => wholes.map((whole) => whole.totalMs);
  bench.report.table(
    work,
    [
      { name: 'direct', wholes: direct },
      { name: 'wheelkeep', wholes: through },
      { name: bare.name, wholes: barely },
    ].map(({ name, wholes }) => ({
      name,
      cells: { 'first byte ms': figure(firsts(wholes)), 'total ms': figure(totals(wholes)) },
    })),
  );
  const total = ratio(totals(through), totals(direct)).median;
  const remark = `a bare server's: ${ratio(totals(barely), totals(direct)).median.toFixed(2)}x`;
  if (!away)
    return bench.report.judge({ work, what: 'total to direct', value: total, limit: { atMost: 2 }, unit: 'x', remark });
  const value = median(firsts(through)) - median(firsts(direct));
  const unclear = unsteady(firsts(direct));
  bench.report.judge({
    work,
    what: 'first byte over direct',
    value,
    limit: { atMost: 5 },
    unit: ' ms',
    unclear,
    remark: `a bare server's: ${(median(firsts(barely)) - median(firsts(direct))).toFixed(2)} ms`,
  });
  bench.report.judge({ work, what: 'total to direct', value: total, limit: { atMost: 1.05 }, unit: 'x', remark });
}

/** By the middle half, because a single late answer among many does not move a median. */
function unsteady(values: readonly number[]): string | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const apart = sorted[Math.floor(sorted.length * 0.75)]! - sorted[Math.floor(sorted.length * 0.25)]!;
  return apart > NOISY_MS
    ? `too noisy: the middle half of the direct ones lies ${apart.toFixed(1)} ms apart`
    : undefined;
}
