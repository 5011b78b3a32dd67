// What a HEAD teaches about the copy that is kept for GET (RFC 9111 4.3.5), and what it must not.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import { answer, rawMount } from '../support/proxy/raw-mount.ts';
import { delay } from '../support/upstream/faults.ts';

const FRESH = ['cache-control', 'max-age=60'];

function head(url: string, fields: Readonly<Record<string, string>> = {}) {
  return fetchAll(url, { method: 'HEAD', fields });
}

it('a HEAD that tells of a change makes the copy stale, and no less good for an outage', async (test) => {
  let version = 1;
  const { clock, origin, url } = await rawMount(test, {
    respond: () => answer(`version ${version}`, ['etag', `"${version}"`, ...FRESH]),
  });
  await get(`${url}/a`);
  version = 2;
  // Only a client that insists gets past a fresh copy.
  await head(`${url}/a`, { 'cache-control': 'no-cache' });
  await origin.down();
  const old = await get(`${url}/a`);
  assert.equal(old.text(), 'version 1');
  assert.match(old.field('cache-status')!, /fwd=stale; ttl=0; detail=stale-if-error$/);
  await origin.up();
  origin.log.clear();
  // Past the pause after the failure; the copy would still be fresh by its own lifetime.
  clock.advance(10_000);
  assert.equal((await get(`${url}/a`)).text(), 'version 2');
  assert.ok(origin.log.entries[0]!.fields.includes('"1"'));
  assert.match((await get(`${url}/a`)).field('cache-status')!, /; hit; ttl=60$/);
});

it('a HEAD that agrees with the copy renews it', async (test) => {
  const { clock, origin, url } = await rawMount(test, {
    respond: ({ method }) => answer('good', ['etag', '"1"', 'x-asked-by', method, ...FRESH]),
  });
  await get(`${url}/a`);
  clock.advance(61_000);
  await head(`${url}/a`);
  const renewed = await get(`${url}/a`);
  assert.equal(renewed.text(), 'good');
  assert.deepEqual([renewed.field('x-asked-by'), renewed.field('age')], ['HEAD', '0']);
  assert.equal(origin.log.count('/a'), 2);
});

it('what the origin says to one client of HEAD or of a validation is told to no other', async (test) => {
  const { clock, url } = await rawMount(test, {
    respond: ({ method, fields }) => {
      const user = fields.includes('authorization') ? 'alice' : 'anybody';
      const said = ['etag', '"1"', 'x-user', user, ...FRESH];
      return fields.includes('if-none-match') ? answer('', said, 304) : answer(method === 'HEAD' ? '' : 'good', said);
    },
  });
  const alice = { authorization: 'Basic YWxpY2U6' };
  await get(`${url}/a`);
  clock.advance(61_000);
  assert.equal((await head(`${url}/a`, alice)).field('x-user'), 'alice');
  const validated = await get(`${url}/a`, alice);
  assert.equal(validated.field('x-user'), 'alice');
  assert.match(validated.field('cache-status')!, /fwd=stale; fwd-status=304; ttl=60$/);
  const others = await get(`${url}/a`);
  assert.equal(others.field('x-user'), 'anybody');
  assert.match(others.field('cache-status')!, /fwd=stale; fwd-status=304; stored; ttl=60$/);
});

it('a HEAD that comes back after a GET has brought something new teaches nothing', async (test) => {
  let version = 1;
  const { clock, origin, url } = await rawMount(test, {
    respond: () => answer(`version ${version}`, ['etag', `"${version}"`, ...FRESH]),
  });
  await get(`${url}/a`);
  clock.advance(61_000);
  origin.fault('/a', delay(200), { times: 1 });
  const late = head(`${url}/a`);
  await origin.log.waitFor(() => origin.log.count('/a') === 2);
  version = 2;
  clock.advance(1000);
  assert.equal((await get(`${url}/a`)).text(), 'version 2');
  assert.equal((await late).field('etag'), '"1"');
  const kept = await get(`${url}/a`);
  assert.equal(kept.text(), 'version 2');
  assert.match(kept.field('cache-status')!, /; hit;/);
});
