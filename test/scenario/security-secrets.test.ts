// Secrets stay where they belong: a canary in every place that holds one, and a search through everything that anybody
// can see.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { filesBelow } from '../support/disk/stored-files.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import { JSON_TYPE } from '../support/proxy/page-client.ts';
import { spawnProxy } from '../support/proxy/spawned-proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import * as faults from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';

const PASSWORD = 'canary-password-5a1c';
const SIGNATURE = 'canary-signature-93bd';
const CLIENT = 'canary-client-c07e';
const UPSTREAM = 'canary-upstream-d2f4';
/** Every secret, and the password as it goes over the wire. */
const CANARIES = [PASSWORD, SIGNATURE, CLIENT, UPSTREAM, Buffer.from(`joe:${PASSWORD}`).toString('base64')];

async function world(t: TestContext) {
  const index = await FakeIndex.start({ separateFiles: true });
  t.after(() => index.close());
  const signed = wheel({ name: 'foo', version: '1.0' });
  const moved = wheel({ name: 'foo', version: '2.0' });
  const plain = index.files.origin;
  index.addListed('foo', signed, { url: `${plain}${index.pathOf(signed)}?sig=${SIGNATURE}` });
  index.add('foo', moved);
  const dataDir = await temporaryFolder(t);
  const upstream = new URL(index.url);
  upstream.username = 'joe';
  upstream.password = PASSWORD;
  const env = {
    WHEELKEEP_LOG_LEVEL: 'debug',
    WHEELKEEP_PAGE_FRESH: '1s',
    WHEELKEEP_FILE_ORIGINS: `${plain},${upstream.origin}`,
  };
  const proxy = await spawnProxy({ dataDir, upstreams: [upstream.href], env });
  t.after(() => proxy.stop('SIGKILL'));
  return { index, proxy, dataDir, signed, moved, host: new URL(plain).host };
}

test('no secret is in an answer, a log line, a metric, an event or a name in the data folder', async (t) => {
  const { index, proxy, dataDir, signed, moved, host } = await world(t);
  const seen: string[] = [];
  const token = (await readFile(join(dataDir, 'admin-token'), 'utf8')).trim();
  const ask = async (path: string, fields: Readonly<Record<string, string>> = {}) => {
    const answer = await fetchAll(proxy.url + path, {
      fields: { authorization: `Basic ${CLIENT}`, cookie: `session=${CLIENT}`, ...fields },
    });
    seen.push(JSON.stringify(answer.fields), answer.text());
    return answer.status;
  };
  const signedPath = `/files/http/${host}${index.pathOf(signed)}`;
  const movedPath = `/files/http/${host}${index.pathOf(moved)}`;

  for (const accept of [JSON_TYPE, 'text/html']) assert.equal(await ask('/simple/foo/', { accept }), 200);
  assert.ok(index.log.entries.some(({ fields }) => fields.includes('authorization')));
  index.fault(index.pathOf(moved), faults.redirect(`/elsewhere?X-Signature=${SIGNATURE}`), { times: 1 });
  index.fault(/^\/elsewhere/, faults.status(403, [], `no: ${UPSTREAM}`));
  await ask(movedPath);
  assert.equal(await ask(signedPath), 200);
  assert.ok(index.log.count(new RegExp(SIGNATURE)) >= 2);
  await ask(`/simple/foo/?token=${CLIENT}`);

  // Each way to fail, with the secret in what upstream says or in where it leads.
  const troubles = [
    faults.status(401, ['www-authenticate', `Basic realm="${UPSTREAM}"`], UPSTREAM),
    faults.status(500, ['x-secret', UPSTREAM], UPSTREAM),
    faults.status(429, ['retry-after', UPSTREAM], UPSTREAM),
    faults.redirect(`http://joe:${PASSWORD}@127.0.0.1:9/?sig=${SIGNATURE}`),
    faults.redirect(`file:///${SIGNATURE}`),
    faults.replacedBody(`{"files": "${UPSTREAM}"`),
    faults.rawBytes(`HTTP/1.1 ${UPSTREAM}\r\n\r\n`),
    faults.truncated(5),
  ];
  for (const [i, trouble] of troubles.entries()) {
    index.fault(`/simple/trouble${i}/`, trouble);
    index.fault(`/pypi/trouble${i}/json`, trouble);
    assert.ok((await ask(`/simple/trouble${i}/`)) >= 500);
    await ask(`/pypi/trouble${i}/json`);
  }
  await index.down();
  await ask('/simple/other/');
  await ask('/simple/foo/', { 'cache-control': 'no-cache' });
  await ask('/metrics');
  for (const operation of [
    'status',
    'stats',
    'events',
    'explain?project=foo',
    `explain?project=foo&file=${signed.filename}`,
  ]) {
    assert.equal(await ask(`/-/api/${operation}`, { authorization: `Bearer ${token}` }), 200, operation);
  }
  await proxy.stop();
  seen.push(proxy.output(), (await filesBelow(dataDir)).join('\n'));

  assert.match(proxy.output(), /trouble1/, 'the log was written');
  for (const text of seen)
    for (const canary of CANARIES) assert.ok(!text.includes(canary), `${canary} in ${text.slice(0, 2000)}`);
});

test('a signal opens no debugger, which would tell everything', async (t) => {
  const proxy = await spawnProxy({ dataDir: await temporaryFolder(t), upstreams: ['http://127.0.0.1:1/simple/'] });
  t.after(() => proxy.stop('SIGKILL'));
  process.kill(proxy.pid, 'SIGUSR1');
  assert.equal((await get(`${proxy.url}/-/live`)).status, 200);
  assert.equal(await proxy.stop(), 0);
  assert.doesNotMatch(proxy.output(), /debugger/i);
});
