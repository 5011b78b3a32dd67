// A second address for what is not the clients' business: status page, administration, metrics and health move there.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { runCommand } from '../support/proxy/command.ts';
import { freePort } from '../support/proxy/free-port.ts';
import { get } from '../support/proxy/http-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { spawnProxy } from '../support/proxy/spawned-proxy.ts';
import { spawnTeam } from '../support/proxy/workers.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { wheel } from '../support/upstream/wheels.ts';

const ADMINISTRATIVE = ['/', '/-/status.css', '/-/status.js', '/metrics', '/-/live', '/-/ready', '/-/api/status'];
const demo = wheel({ name: 'demo', version: '1.0' });

test('each address serves its own half and 404 for the other', async (t) => {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  index.add('demo', demo);
  const config = { adminListen: { host: '127.0.0.1', port: 0 } };
  const proxy = await startProxy({ upstreams: [index.url], config });
  t.after(() => proxy.close());
  const admin = proxy.app.adminUrl!.replace(/\/$/, '');
  for (const path of ADMINISTRATIVE) {
    const gone = await get(proxy.url + path);
    assert.deepEqual([gone.status, gone.field('content-type')], [404, 'application/problem+json'], path);
    assert.equal((await get(admin + path)).status, path === '/-/api/status' ? 401 : 200, path);
  }
  for (const path of ['/simple/', '/simple/demo/', '/last-modified', '/local-stats/']) {
    assert.equal((await get(admin + path)).status, 404, path);
    assert.equal((await get(proxy.url + path)).status, 200, path);
  }
  // What is hot is not answered at the other address either.
  for (let i = 0; i < 3; i++) assert.equal((await get(`${proxy.url}/simple/demo/`)).status, 200);
  assert.equal((await get(`${admin}/simple/demo/`)).status, 404);
});

test('commands find the second address, and the first lines name it', async (t) => {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  index.add('demo', demo);
  const dataDir = await temporaryFolder(t);
  const adminListen = `127.0.0.1:${await freePort()}`;
  const proxy = await spawnProxy({ dataDir, upstreams: [index.url], adminListen });
  t.after(() => proxy.stop('SIGKILL'));
  assert.ok(proxy.output().includes(`status page, administration, metrics, health: http://${adminListen}/\n`));
  await get(`${proxy.url}/simple/demo/`);
  const env = { WHEELKEEP_PORT: String(proxy.port), WHEELKEEP_ADMIN_LISTEN: adminListen };
  const run = (...args: string[]) => runCommand({ index, dataDir, env }, ...args);
  assert.deepEqual([(await run('ready')).stdout, (await run('ready')).code], [`http://${adminListen}/ ready\n`, 0]);
  assert.match((await run('explain', 'demo')).stdout, /^demo: given by default/);
  assert.match((await run('stats')).stdout, /^running since/);
  assert.equal((await run('purge', 'demo')).stdout, '1 entry removed\n');
  assert.ok((await proxy.metrics())['wheelkeep_requests_total{kind="page",outcome="miss",status="2xx"}']! > 0);
  await proxy.stop();
  const none = await run('ready');
  assert.deepEqual([none.stdout, none.code], [`http://${adminListen}/ does not answer (ECONNREFUSED)\n`, 1]);
});

test('all workers share the second address, also one that starts when all others are dead', async (t) => {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  index.add('demo', demo);
  const adminListen = `127.0.0.1:${await freePort()}`;
  const team = await spawnTeam(2, { dataDir: await temporaryFolder(t), upstreams: [index.url], adminListen });
  t.after(() => team.stop('SIGKILL'));
  for (let i = 0; i < 8; i++) assert.equal((await get(`${team.url}/simple/demo/`)).status, 200);
  const pages = Object.entries(await team.metrics()).filter(([name]) => /^wheelkeep_requests_total.*"page"/.test(name));
  assert.equal(
    pages.reduce((sum, [, count]) => sum + count, 0),
    8,
    'of all workers together',
  );
  for (const worker of team.workers()) process.kill(worker, 'SIGKILL');
  await team.allServe(2);
  assert.equal((await get(`http://${adminListen}/-/ready`)).status, 200);
});

test('an address that cannot be had ends the start with its option, and gives the first one back', async (t) => {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const dataDir = await temporaryFolder(t);
  const taken = new URL(index.url).host;
  const env = { WHEELKEEP_PORT: '0', WHEELKEEP_ADMIN_LISTEN: taken };
  const { code, stderr } = await runCommand({ index, dataDir, env }, 'serve');
  assert.equal(code, 1);
  assert.match(stderr, /^wheelkeep: admin_listen: port \d+: is in use by another process; end that one or choose/);
});
