// Upstream has become slow or does not answer at all: who waits for it, and how long?

import { setTimeout as sleep } from 'node:timers/promises';
import { type Bench, PAGE_FIELDS } from '../bench-context.ts';
import { fetchWhole } from '../fetch-whole.ts';
import { figure, percentile } from '../figures.ts';
import { type Server, startWheelkeep } from '../servers.ts';
import { steadyLoad } from '../steady-load.ts';
import { projectName } from '../upstream/projects.ts';

/** Shorter than the default of a minute, so that a page expires often while we watch. */
const FRESH_SECONDS = 10;
const PAGES = 20;
const PER_SECOND = 200;
const CALM_SECONDS = 8;
const TROUBLED_SECONDS = 3 * FRESH_SECONDS;
const PATIENCE_MS = 500;
/** So long after its end a page is surely stale. */
const EXPIRED_MS = 1_000;
/** A timer of 500 ms fires a little later, and the answer takes its way. */
const TIMER_SLACK_MS = 20;

export async function stale(bench: Bench): Promise<void> {
  // A process for each: what an outage teaches one of the upstream shall not help it in the next.
  await withServer(bench, (server) => askedLately(bench, server, 'hangs'));
  await withServer(bench, (server) => askedLately(bench, server, 'is slow'));
  await withServer(bench, (server) => askedLongAgo(bench, server));
}

async function withServer(bench: Bench, use: (server: Server) => Promise<void>): Promise<void> {
  const settings = { WHEELKEEP_PAGE_FRESH: `${FRESH_SECONDS}s` };
  const server = await startWheelkeep(bench.stage, { upstream: bench.upstream.origin, settings });
  await use(server);
  await server.stop();
}

async function askedLately(bench: Bench, server: Server, trouble: 'hangs' | 'is slow'): Promise<void> {
  const work = `page of the last minute, upstream ${trouble}`;
  bench.say(work);
  const label = trouble === 'hangs' ? 'hanging' : 'slow';
  const urls = pageUrls(server, label);
  for (const url of urls) await fetchWhole(url, PAGE_FIELDS);
  const load = { urls, fields: PAGE_FIELDS, perSecond: PER_SECOND };
  const calm = await steadyLoad({ ...load, seconds: CALM_SECONDS });
  await bench.upstream.shape({ part: `-${label}-`, ...(trouble === 'hangs' ? { hang: true } : { delayMs: 3_000 }) });
  const troubled = await steadyLoad({ ...load, seconds: TROUBLED_SECONDS });
  bench.report.table(
    work,
    [
      { name: 'upstream well', waits: calm },
      { name: `upstream ${trouble}`, waits: troubled },
    ].map(({ name, waits }) => ({
      name,
      cells: {
        'p50 ms': figure([percentile(waits, 0.5)]),
        'p99 ms': figure([percentile(waits, 0.99)]),
        'longest ms': figure([Math.max(...waits)]),
      },
    })),
  );
  bench.report.judge({
    work,
    what: 'p99 over an unexpired hit',
    value: percentile(troubled, 0.99) - percentile(calm, 0.99),
    limit: { atMost: 5 },
    unit: ' ms',
    remark: `longest ${Math.max(...troubled).toFixed(0)} ms`,
  });
}

async function askedLongAgo(bench: Bench, server: Server): Promise<void> {
  const work = 'page not asked for since long, upstream is slow';
  bench.say(work);
  const urls = pageUrls(server, 'longago');
  for (const url of urls) await fetchWhole(url, PAGE_FIELDS);
  await bench.upstream.shape({ part: '-longago-', delayMs: 3_000 });
  await sleep(FRESH_SECONDS * 1000 + EXPIRED_MS);
  const waits: number[] = [];
  for (const url of urls) waits.push((await fetchWhole(url, PAGE_FIELDS)).totalMs);
  bench.report.table(work, [{ name: 'wheelkeep', cells: { 'total ms': figure(waits) } }]);
  bench.report.judge({
    work,
    what: 'p90 of the wait',
    value: percentile(waits, 0.9),
    limit: { atMost: PATIENCE_MS + TIMER_SLACK_MS },
    unit: ' ms',
    remark: `longest ${Math.max(...waits).toFixed(0)} ms`,
  });
}

function pageUrls(server: Server, label: string): string[] {
  return Array.from({ length: PAGES }, (_, n) => `${server.url}/simple/${projectName(25, 51_200, `${label}-${n}`)}/`);
}
