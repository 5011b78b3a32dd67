// However many ask a raw mount at once, the origin is asked as often as RFC 9111 wants and no more.

import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { it } from 'node:test';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import { answer, rawMount } from '../support/proxy/raw-mount.ts';
import { delay } from '../support/upstream/faults.ts';

const CROWD = 50;

function crowd(url: string, fields: Readonly<Record<string, string>> = {}) {
  return Promise.all(Array.from({ length: CROWD }, () => get(url, fields)));
}

it('fifty requests for what nobody has are one request to the origin', async (test) => {
  const { origin, url } = await rawMount(test, { respond: () => answer('hello', ['cache-control', 'max-age=60']) });
  origin.fault('/a', delay(100));
  for (const response of await crowd(`${url}/a`)) {
    assert.equal(response.status, 200);
    assert.equal(response.text(), 'hello');
  }
  assert.equal(origin.log.count('/a'), 1);
});

it('fifty requests for what has expired are one conditional request to the origin', async (test) => {
  const { clock, origin, url } = await rawMount(test, {
    respond: ({ fields }) =>
      fields.includes('if-none-match')
        ? answer('', ['etag', '"1"', 'cache-control', 'max-age=60'], 304)
        : answer('hello', ['etag', '"1"', 'cache-control', 'max-age=60']),
  });
  await get(`${url}/a`);
  clock.advance(61_000);
  origin.fault('/a', delay(100));
  for (const response of await crowd(`${url}/a`)) assert.equal(response.text(), 'hello');
  assert.equal(origin.log.count('/a'), 2);
  assert.ok(origin.log.entries[1]?.fields.includes('"1"'));
});

it('a large body is fetched once for fifty clients who follow it', async (test) => {
  const body = Buffer.alloc(3_000_000, 'wheel');
  const { origin, url } = await rawMount(test, { respond: () => answer(body, ['cache-control', 'max-age=60']) });
  origin.fault('/a', delay(50));
  for (const response of await crowd(`${url}/a`)) assert.ok(response.body.equals(body));
  assert.equal(origin.log.count('/a'), 1);
});

it('the first client leaves, and the others and those who come later get their answer from its request', async (test) => {
  const { origin, url } = await rawMount(test, { respond: () => answer('hello', ['cache-control', 'max-age=60']) });
  origin.fault('/a', delay(200));
  const leader = httpRequest(`${url}/a`);
  leader.on('error', () => {});
  leader.end();
  await origin.log.waitFor(() => origin.log.count('/a') === 1);
  const followers = crowd(`${url}/a`);
  leader.destroy();
  for (const response of await followers) assert.equal(response.text(), 'hello');
  assert.equal((await get(`${url}/a`)).text(), 'hello');
  assert.equal(origin.log.count('/a'), 1);
});

it('an answer that may not be stored releases all who wait at once, and nobody waits for it the next minute', async (test) => {
  let made = 0;
  const { origin, url } = await rawMount(test, {
    respond: () => answer(`answer ${++made}`, ['cache-control', 'no-store']),
  });
  origin.fault('/a', delay(150));
  const startedAt = performance.now();
  const bodies = (await crowd(`${url}/a`)).map((response) => response.text());
  assert.equal(new Set(bodies).size, CROWD, 'nobody gets what was made for another');
  assert.equal(origin.log.count('/a'), CROWD);
  const ms = performance.now() - startedAt;
  assert.ok(ms < 150 * 10, `one after the other would have taken ${150 * CROWD} ms, this took ${ms}`);
  const again = await crowd(`${url}/a`);
  assert.ok(again.every(({ field }) => !field('cache-status')!.includes('collapsed')));
});

it('requests with credentials of their own share nothing, unless the origin allows it', async (test) => {
  const { origin, url } = await rawMount(test, {
    respond: ({ url: path, fields }) => {
      const whose = fields[fields.indexOf('authorization') + 1]!;
      return answer(whose, ['cache-control', path === '/shared' ? 'public, max-age=60' : 'max-age=60']);
    },
  });
  origin.fault('/own', delay(50));
  const users = ['Basic YTph', 'Basic Yjpi', 'Basic Yzpj'];
  const own = await Promise.all(users.map((authorization) => get(`${url}/own`, { authorization })));
  assert.deepEqual(
    own.map((response) => response.text()),
    users,
  );
  assert.equal((await get(`${url}/own`, { authorization: users[1]! })).text(), users[1]);
  assert.equal(origin.log.count('/own'), 4);
  await get(`${url}/shared`, { authorization: users[0]! });
  assert.equal((await get(`${url}/shared`)).text(), users[0]);
  assert.equal(origin.log.count('/shared'), 1);
});

it('variants live side by side, each fetched once', async (test) => {
  const { origin, url } = await rawMount(test, {
    respond: ({ fields }) =>
      answer(fields[fields.indexOf('accept-language') + 1]!, [
        'vary',
        'Accept-Language',
        'cache-control',
        'max-age=60',
      ]),
  });
  for (const round of [1, 2]) {
    for (const language of ['de', 'en', 'fr']) {
      const response = await get(`${url}/a`, { 'accept-language': language });
      assert.equal(response.text(), language, `round ${round}`);
    }
  }
  assert.equal(origin.log.count('/a'), 3);
  origin.log.clear();
  origin.fault('/b', delay(50));
  const mixed = await Promise.all(
    ['de', 'en', 'de', 'en'].map((language) => fetchAll(`${url}/b`, { fields: { 'accept-language': language } })),
  );
  assert.deepEqual(
    mixed.map((response) => response.text()),
    ['de', 'en', 'de', 'en'],
  );
});

for (const [whose, fields] of [
  ['everybody', {}],
  ['one client', { authorization: 'Basic YTph' }],
] as const) {
  it(`what was asked for before a write, for ${whose}, is not kept after it`, async (test) => {
    let version = 1;
    const { origin, url } = await rawMount(test, {
      respond: ({ method }) =>
        answer(`version ${version}`, method === 'GET' ? ['cache-control', 'public, max-age=60'] : []),
    });
    origin.fault('/a', delay(200), { times: 1 });
    const early = get(`${url}/a`, fields);
    await origin.log.waitFor(() => origin.log.count('/a') === 1);
    version = 2;
    assert.equal((await fetchAll(`${url}/a`, { method: 'PUT', body: 'x' })).status, 200);
    assert.equal((await early).text(), 'version 1');
    assert.equal((await get(`${url}/a`)).text(), 'version 2');
  });
}
