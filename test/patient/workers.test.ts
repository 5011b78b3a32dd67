// `workers: N` with real processes: one port, one data folder, one upstream request, and nobody misses one that dies.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { until } from '../support/clock/until.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { freePort } from '../support/proxy/free-port.ts';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import { childrenOf, connectedTo, hasEnded, spawnTeam, type Team } from '../support/proxy/workers.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { rate, silence } from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';

const index = await FakeIndex.start();
after(() => index.close());
const LARGE = wheel({ name: 'large', version: '1', sizeBytes: 8_000_000 });
index.add('large', LARGE);
for (const name of ['cold', 'warm', 'slow', 'frozen']) index.add(name, wheel({ name, version: '1' }));

async function startTeam(
  test: Parameters<typeof temporaryFolder>[0],
  env: Readonly<Record<string, string>> = {},
  port?: number,
): Promise<Team & { readonly dataDir: string }> {
  const dataDir = await temporaryFolder(test);
  const team = await spawnTeam(2, { dataDir, upstreams: [index.url], env, ...(port === undefined ? {} : { port }) });
  test.after(() => (hasEnded(team.pid) ? undefined : team.stop('SIGKILL')));
  return { ...team, dataDir };
}

/** As many clients at once, each on a connection of its own, so that every worker has some. */
function clients(count: number, url: string) {
  return Promise.all(Array.from({ length: count }, () => fetchAll(url)));
}

const fileUrl = (team: Team) =>
  `${team.url}/files/${index.url.replace('://', '/').replace('/simple/', index.pathOf(LARGE))}`;

test('100 clients of two workers ask for one cold page, then 60 for one cold file of 8 MB: upstream is asked once, and twice at most', async (t) => {
  const team = await startTeam(t);
  const answers = await clients(100, `${team.url}/simple/cold/`);
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
  assert.equal(new Set(answers.map(({ sha256 }) => sha256)).size, 1);
  assert.equal(index.requests('/simple/cold/'), 1);

  // The counts of both workers are one page, whichever of them answers.
  const pages = async () => {
    const seen = await team.metrics();
    return Object.entries(seen).reduce(
      (sum, [name, value]) => (name.startsWith('wheelkeep_requests_total{kind="page"') ? sum + value : sum),
      0,
    );
  };
  for (let scrape = 0; scrape < 4; scrape++) assert.equal(await pages(), 100);

  const downloads = await clients(60, fileUrl(team));
  assert.deepEqual(
    new Set(downloads.map(({ status, sha256, complete }) => `${status} ${complete} ${sha256}`)),
    new Set([`200 true ${LARGE.sha256}`]),
  );
  assert.ok(index.requests(index.pathOf(LARGE)) <= 2, `${index.requests(index.pathOf(LARGE))} requests`);
});

test('a worker that is killed costs the requests on its connections and no other; another one takes its place', async (t) => {
  const team = await startTeam(t);
  await clients(10, `${team.url}/simple/warm/`);
  const [victim] = team.workers();
  /** Whether each was under way when the worker died: a connection may be accepted and the kill not yet done. */
  const failures: { readonly atMs: number; readonly running: boolean }[] = [];
  let answered = 0;
  let killedAt = Number.POSITIVE_INFINITY;
  let isOver = false;
  t.after(() => {
    isOver = true;
  });
  const load = Array.from({ length: 20 }, async () => {
    while (!isOver) {
      const startedAt = performance.now();
      const running = startedAt < killedAt;
      const status = await get(`${team.url}/simple/warm/`).then(
        (response) => (response.complete ? response.status : 0),
        () => 0,
      );
      if (status === 200) answered++;
      else failures.push({ atMs: startedAt - killedAt, running: running || startedAt - killedAt < 50 });
    }
  });
  await until(() => answered > 200, 'the load runs');
  killedAt = performance.now();
  process.kill(victim!, 'SIGKILL');
  await team.allServe(2);
  const before = answered;
  await until(() => answered > before + 200, 'the load runs on');
  isOver = true;
  await Promise.all(load);
  assert.deepEqual(
    failures.filter(({ running }) => !running),
    [],
  );
  assert.ok(failures.length <= 20, `${failures.length} failed`);
  assert.equal(team.workers().length, 2);
  assert.ok(!team.workers().includes(victim!));

  // What a dead worker counted stays in the sums: Prometheus must not take its death for a restart of all.
  const bytes = async () => (await team.metrics())['wheelkeep_response_bytes_total{kind="page"}'];
  const sent = await bytes();
  process.kill(team.workers()[0]!, 'SIGKILL');
  await team.allServe(3);
  assert.equal(await bytes(), sent);
});

test('SIGTERM to the whole group: running downloads of both workers are finished, then the exit code is 0', async (t) => {
  const team = await startTeam(t, { WHEELKEEP_GRACE: '20s' });
  await get(`${team.url}/simple/large/`);
  const end = index.fault(index.pathOf(LARGE), rate(8_000_000));
  const downloads = clients(6, fileUrl(team));
  await index.waitFor(() => index.requests(index.pathOf(LARGE)) > 0);
  await sleep(200);
  // As Ctrl-C or a supervisor does: every process of the group hears it.
  for (const worker of team.workers()) process.kill(worker, 'SIGTERM');
  const ended = team.stop('SIGTERM');
  const answers = await downloads;
  end();
  assert.deepEqual(
    new Set(answers.map(({ sha256, complete }) => `${complete} ${sha256}`)),
    new Set([`true ${LARGE.sha256}`]),
  );
  assert.equal(await ended, 0);
  assert.equal(team.output().split('listens on').length, 2, 'the first lines are written once');
});

test('a second signal ends all processes at once, with 128 and its number', async (t) => {
  const team = await startTeam(t);
  const end = index.fault('/simple/slow/', silence());
  const hanging = get(`${team.url}/simple/slow/`).catch(() => undefined);
  await index.waitForRequest('/simple/slow/');
  const workers = team.workers();
  process.kill(team.pid, 'SIGTERM');
  await until(() => team.output().includes('a second signal ends at once'), 'the first signal is heard');
  assert.equal(await team.stop('SIGINT'), 130);
  await until(() => workers.every(hasEnded), 'the workers end', 2_000);
  end();
  await hanging;
});

test('workers end when their primary is killed', async (t) => {
  const team = await startTeam(t);
  const workers = team.workers();
  assert.equal(await team.stop('SIGKILL'), 'SIGKILL');
  await until(() => workers.every(hasEnded), 'the workers end', 2_000);
});

test('port 0 is one port for all workers, and the same one after all of them died at once', async (t) => {
  const launcher = fileURLToPath(new URL('../../bin/wheelkeep', import.meta.url));
  const args = ['serve', '--port', '0', '--upstream', index.url, '--data-dir', await temporaryFolder(t)];
  const child = spawn(launcher, args, {
    env: { PATH: process.env.PATH, WHEELKEEP_WORKERS: '2', WHEELKEEP_DRAIN: '0s' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const said = (text: string, times: number) => until(() => output.split(text).length > times, text);
  await said('all 2 workers serve', 1);
  const url = /listens on (\S+)\//.exec(output)![1];
  const victims = childrenOf(child.pid!);
  assert.equal(victims.length, 2);
  for (const worker of victims) process.kill(worker, 'SIGKILL');
  // Those that died young wait a second before others take their place.
  await said('another one starts', 2);
  assert.match(output, /another one starts .*inMs=1000/);
  await said('all 2 workers serve', 2);
  assert.equal((await get(`${url}/simple/warm/`)).status, 200);
  child.kill('SIGTERM');
  assert.deepEqual(await once(child, 'exit'), [0, null]);
});

test('whichever worker is asked, it tells of both; what one purges no other serves again', async (t) => {
  const team = await startTeam(t);
  const token = (await readFile(join(team.dataDir, 'admin-token'), 'utf8')).trim();
  const fields = { authorization: `Bearer ${token}` };
  await clients(30, `${team.url}/simple/warm/`);
  const today = async () =>
    (await get(`${team.url}/local-stats/`)).json() as { readonly days: { readonly pages: number }[] };
  const status = async () =>
    (await get(`${team.url}/-/api/status`, fields)).json() as { readonly processes: { readonly pid: number }[] };
  for (let time = 0; time < 4; time++) {
    assert.equal((await today()).days[0]!.pages, 30);
    assert.deepEqual((await status()).processes.map(({ pid }) => pid).sort(), team.workers().sort());
    assert.match(
      (await get(`${team.url}/`, { accept: 'text/html' })).text(),
      /2 processes serve; the figures are of all/,
    );
  }

  const asked = index.requests('/simple/warm/');
  for (let time = 1; time <= 3; time++) {
    await clients(20, `${team.url}/simple/warm/`);
    const order = await fetchAll(`${team.url}/-/api/purge`, { method: 'POST', fields, body: `{"project":"warm"}` });
    assert.deepEqual(order.json(), { removed: 1 });
    // All at once and at once, so that the worker which did not purge is among those who answer.
    const outcomes = (await clients(20, `${team.url}/simple/warm/`)).map((answer) => answer.field('cache-status'));
    assert.equal(index.requests('/simple/warm/'), asked + time);
    assert.ok(outcomes.some((outcome) => outcome?.includes('fwd=') === true));
  }

  // What a dead worker served was served.
  assert.equal((await today()).days[0]!.pages, 30 + 3 * 40);
  process.kill(team.workers()[0]!, 'SIGKILL');
  await team.allServe(2);
  assert.equal((await today()).days[0]!.pages, 30 + 3 * 40);
});

test('a port in use ends the start with one sentence and exit code 1', async (t) => {
  const port = await freePort();
  const other = createServer((socket) => socket.destroy()).listen(port, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  await assert.rejects(startTeam(t, {}, port), (error: Error) => {
    assert.match(error.message, /port = \d+ \(WHEELKEEP_PORT\): is in use by another process/);
    assert.doesNotMatch(error.message, /at .*\.ts:\d+/);
    return true;
  });
});

test('a worker that is stopped in the middle of a fetch holds the others for five seconds at most', async (t) => {
  const team = await startTeam(t);
  const end = index.fault('/simple/frozen/', silence());
  const asked = index.log.count('/simple/frozen/');
  const first = get(`${team.url}/simple/frozen/`).catch(() => undefined);
  await index.waitFor(() => index.requests('/simple/frozen/') > asked);
  const holder = connectedTo(Number(new URL(index.url).port), team.workers());
  process.kill(holder, 'SIGSTOP');
  end();
  const startedAt = performance.now();
  const others = Array.from({ length: 4 }, () => get(`${team.url}/simple/frozen/`).catch(() => undefined));
  const answer = await Promise.any(others.map(async (other) => (await other) ?? Promise.reject(new Error('cut'))));
  const waitedMs = performance.now() - startedAt;
  process.kill(holder, 'SIGCONT');
  assert.equal(answer.status, 200);
  assert.ok(waitedMs > 2_000 && waitedMs < 6_500, `waited ${waitedMs} ms`);
  await Promise.all([first, ...others]);
});
