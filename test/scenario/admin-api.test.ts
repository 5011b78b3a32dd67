// The administration: for those who hold the token, and effects only by POST.

import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type ClientResponse, fetchAll, get } from '../support/proxy/http-client.ts';
import { severalIndexes, type World } from '../support/proxy/several-indexes.ts';
import { legacyJson, serveDocument } from '../support/upstream/json-documents.ts';
import { wheel } from '../support/upstream/wheels.ts';

const JSON_PAGE = { accept: 'application/vnd.pypi.simple.v1+json' };
const demo = wheel({ name: 'demo', version: '1.0' });
const other = wheel({ name: 'other', version: '1.0' });

const tokenOf = async ({ proxy }: World) => (await readFile(join(proxy.dataDir, 'admin-token'), 'utf8')).trim();
const bearer = async (world: World) => ({ authorization: `Bearer ${await tokenOf(world)}` });
const order = async (world: World, body: unknown) =>
  fetchAll(`${world.proxy.url}/-/api/purge`, {
    method: 'POST',
    fields: await bearer(world),
    body: JSON.stringify(body),
  });
const fileLink = (world: World, project: string, page: ClientResponse) => {
  const [file] = (page.json() as { files: { url: string }[] }).files;
  return new URL(file!.url, `${world.proxy.url}/simple/${project}/`).href;
};

/** Two projects, pages and files of both here. */
async function filled(t: TestContext) {
  const world = await severalIndexes(t, { main: {} });
  const index = world.upstream('main');
  index.add('demo', demo);
  index.add('other', other);
  serveDocument(index, '/pypi/demo/json', legacyJson('demo', []));
  const links: string[] = [];
  for (const project of ['demo', 'other']) {
    links.push(fileLink(world, project, await get(`${world.proxy.url}/simple/${project}/`, JSON_PAGE)));
  }
  for (const link of links) assert.equal((await get(link)).status, 200);
  assert.equal((await get(`${links[0]!}.metadata`)).status, 200);
  assert.equal((await get(`${world.proxy.url}/pypi/demo/json`)).status, 200);
  return { world, index, links: links as [string, string] };
}

test('nothing is told or done without the right token', async (t) => {
  const world = await severalIndexes(t, { main: {} });
  const token = await tokenOf(world);
  const wrong = [undefined, 'Bearer', `Bearer ${token}x`, `Bearer ${token.slice(1)}`, `Basic ${token}`, token];
  for (const operation of ['status', 'stats', 'events', 'explain?project=demo', 'purge', 'nothing']) {
    for (const authorization of wrong) {
      const fields = authorization === undefined ? {} : { authorization };
      const answer = await get(`${world.proxy.url}/-/api/${operation}`, fields);
      assert.deepEqual([answer.status, answer.field('content-type')], [401, 'application/problem+json']);
      assert.match(answer.field('www-authenticate')!, /^Bearer/);
      assert.ok(!answer.text().includes(token));
    }
  }
  assert.equal((await get(`${world.proxy.url}/-/api/status`, { authorization: `bearer ${token}` })).status, 200);
});

test('the token lies in the data folder for our user alone, and stays over restarts', async (t) => {
  const world = await severalIndexes(t, { main: {} });
  const path = join(world.proxy.dataDir, 'admin-token');
  const token = await tokenOf(world);
  assert.match(token, /^[A-Za-z0-9_-]{43}$/);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  await world.restart({});
  assert.equal(await tokenOf(world), token);
  await writeFile(path, 'damaged\n');
  await world.restart({});
  assert.match(await tokenOf(world), /^[A-Za-z0-9_-]{43}$/);
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('only POST has an effect, and only for a clear order', async (t) => {
  const { world } = await filled(t);
  const fields = await bearer(world);
  const url = `${world.proxy.url}/-/api/purge`;
  const got = await get(url, fields);
  assert.deepEqual([got.status, got.field('allow')], [405, 'POST']);
  assert.equal((await fetchAll(`${world.proxy.url}/-/api/status`, { method: 'POST', fields })).status, 405);
  const purge = await fetchAll(`${world.proxy.url}/simple/demo/`, { method: 'PURGE', fields });
  assert.equal(purge.status, 405);
  const orders = ['', '{', '[]', '{}', 'null', '{"all":false}', '{"project":"../x"}', '{"all":true,"project":"demo"}'];
  for (const body of [...orders, '{"project":"demo","only":"pages"}', `{"project":"${'x'.repeat(20_000)}"}`]) {
    assert.equal((await fetchAll(url, { method: 'POST', fields, body })).status, 400, body.slice(0, 40));
  }
  assert.match((await get(`${world.proxy.url}/simple/demo/`)).field('cache-status')!, /; hit/);
});

test('a purged project is asked for anew, page, documents and files; others stay', async (t) => {
  const { world, index, links } = await filled(t);
  const answer = await order(world, { project: 'Demo' });
  assert.deepEqual([answer.status, answer.json()], [200, { removed: 4 }]);
  index.log.clear();
  assert.equal((await get(links[0])).sha256, demo.sha256);
  assert.equal((await get(`${world.proxy.url}/pypi/demo/json`)).status, 200);
  assert.deepEqual(
    [index.requests('/simple/demo/'), index.requests(index.pathOf(demo)), index.requests('/pypi/demo/json')],
    [1, 1, 1],
  );
  assert.equal((await get(links[1])).sha256, other.sha256);
  assert.equal(index.requests('/simple/other/') + index.requests(index.pathOf(other)), 0);
});

test('after a purge of everything nothing is served from the cache, not even in an outage', async (t) => {
  const { world, index, links } = await filled(t);
  await order(world, { all: true });
  await index.down();
  for (const link of links) assert.ok((await get(link)).status >= 502);
  assert.ok((await get(`${world.proxy.url}/simple/other/`)).status >= 502);
  await world.restart({});
  assert.ok((await get(`${world.proxy.url}/simple/other/`)).status >= 502);
});

test('status names every mirror and its health; events and stats are told', async (t) => {
  const { world, index } = await filled(t);
  await index.down();
  world.clock.advance(61_000);
  await get(`${world.proxy.url}/simple/demo/`);
  await order(world, { project: 'demo' });
  const fields = await bearer(world);
  const ask = async (what: string) => (await get(`${world.proxy.url}/-/api/${what}`, fields)).json() as never;
  const status = (await ask('status')) as {
    indexes: { name: string; mirrors: { url: string; lastFailure: object }[] }[];
  };
  assert.deepEqual(
    status.indexes.map(({ name, mirrors }) => [name, mirrors.map(({ url }) => url)]),
    [['main', [index.url]]],
  );
  assert.equal((status.indexes[0]!.mirrors[0]!.lastFailure as { kind: string }).kind, 'connect');
  const { events } = (await ask('events?limit=1')) as { events: { kind: string; project: string }[] };
  assert.deepEqual([events.length, events[0]!.kind, events[0]!.project], [1, 'purge', 'demo']);
  const { days } = (await ask('stats')) as { days: { files: number }[] };
  assert.equal(days[0]!.files, 2);
});

test('every order is written down before it is carried out: when, whose, about what', async (t) => {
  const { world } = await filled(t);
  const auditLog = join(world.proxy.dataDir, 'audit.jsonl');
  await world.restart({ auditLog });
  world.clock.advance(1_000);
  await order(world, { project: 'Demo' });
  await order(world, { all: true });
  await order(world, { project: '../x' });
  await get(`${world.proxy.url}/-/api/purge`);
  const time = new Date(world.clock.now()).toISOString();
  assert.equal(
    await readFile(auditLog, 'utf8'),
    `{"time":"${time}","order":"purge","project":"demo","client":"127.0.0.1"}\n` +
      `{"time":"${time}","order":"purge","client":"127.0.0.1"}\n`,
  );
  assert.equal(statSync(auditLog).mode & 0o777, 0o600);
});

test('an order that cannot be written down is not carried out', async (t) => {
  const { world } = await filled(t);
  await world.restart({ auditLog: join(world.proxy.dataDir, 'no', 'folder', 'audit.jsonl') });
  const answer = await order(world, { project: 'demo' });
  assert.equal(answer.status, 503);
  assert.match(answer.text(), /audit-log-unwritable/);
  assert.match((await get(`${world.proxy.url}/simple/demo/`)).field('cache-status')!, /; hit/);
});
