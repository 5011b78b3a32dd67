// purge, stats and explain as users type them, against a server in a process of its own.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { get } from '../support/proxy/http-client.ts';
import { spawnProxy } from '../support/proxy/spawned-proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { wheel } from '../support/upstream/wheels.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/wheelkeep', import.meta.url));
const demo = wheel({ name: 'demo', version: '1.0' });

test('purge, stats and explain ask the running server, and say so when there is none', async (t) => {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  index.add('demo', demo);
  const dataDir = await temporaryFolder(t);
  const proxy = await spawnProxy({ dataDir, upstreams: [index.url], env: { WHEELKEEP_LOG_LEVEL: 'debug' } });
  t.after(() => proxy.stop('SIGKILL'));
  const env = {
    PATH: process.env.PATH,
    HOME: dataDir,
    WHEELKEEP_DATA_DIR: dataDir,
    WHEELKEEP_PORT: String(proxy.port),
    WHEELKEEP_UPSTREAM: index.url,
  };
  const run = (...args: string[]) =>
    new Promise<{ code: number; out: string; err: string }>((resolve) => {
      execFile(LAUNCHER, args, { env }, (error, out, err) => resolve({ code: Number(error?.code ?? 0), out, err }));
    });

  await get(`${proxy.url}/simple/demo/`);
  const explained = await run('explain', 'demo', demo.filename);
  assert.deepEqual([explained.code, explained.err], [0, '']);
  assert.match(explained.out, /^demo: given by default\n {2}default: a page is held \(fresh\)\n {4}validated 2/);
  assert.match(explained.out, /1 files, serial 1001\n.*\.whl: listed, and fetched when it is asked for\n/s);
  const asJson = JSON.parse((await run('explain', 'demo', '--json')).out) as { answeredBy: string };
  assert.equal(asJson.answeredBy, 'default');
  assert.match((await run('stats')).out, /^running since 2.*\n2\d{3}-\d\d-\d\d {2}1 page {2}0 files/);
  assert.deepEqual(await run('purge', 'demo'), { code: 0, out: '1 entry removed\n', err: '' });
  assert.match((await run('explain', 'demo')).out, /nobody has asked for it yet/);

  for (const args of [[], ['demo', '--all'], ['demo', '--some']]) assert.equal((await run('purge', ...args)).code, 2);
  assert.match((await run('explain', '../x')).err, /refused: project is the name of a project/);
  assert.match((await run('purge', '--help')).out, /Examples:\n.*Exit codes:/s);

  await proxy.stop('SIGTERM');
  const token = (await readFile(join(dataDir, 'admin-token'), 'utf8')).trim();
  assert.match(proxy.output(), /\/-\/api\/purge/);
  assert.ok(!proxy.output().includes(token), 'the token stands in no log');
  const none = await run('purge', '--all');
  assert.equal(none.code, 1);
  assert.match(none.err, /no server answers at http:\/\/127\.0\.0\.1:\d+\/ \(ECONNREFUSED\)/);
});
