// What a raw mount does while its origin is away: what the origin forbids is kept, what the operator promises too.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { get } from '../support/proxy/http-client.ts';
import { answer, rawMount } from '../support/proxy/raw-mount.ts';
import { hangUp, status } from '../support/upstream/faults.ts';

const DAY_MS = 86_400_000;
const TROUBLES = { 'answers 503': status(503), 'cuts the connection': hangUp('rst') };

for (const [name, fault] of Object.entries(TROUBLES)) {
  it(`serves the last good copy for as long as it takes while the origin ${name}`, async (test) => {
    const { clock, origin, proxy, url } = await rawMount(test, {
      respond: () => answer('good', ['cache-control', 'max-age=60']),
    });
    await get(`${url}/a`);
    origin.fault(/^/, fault);
    for (const days of [1, 29, 335]) {
      clock.advance(days * DAY_MS);
      const response = await get(`${url}/a`);
      assert.equal(response.status, 200);
      assert.equal(response.text(), 'good');
      assert.ok(Number(response.field('age')) >= (days * DAY_MS) / 1000, 'Age says how old it is');
      assert.match(response.field('cache-status')!, /^wheelkeep; fwd=stale.*; ttl=-\d+; detail=stale-if-error$/);
    }
    const metrics = await proxy.metrics();
    const stale = Object.entries(metrics).filter(([sample]) =>
      /^wheelkeep_stale_answers_total\{kind="raw"/.test(sample),
    );
    assert.equal(
      stale.reduce((sum, [, count]) => sum + count, 0),
      3,
    );
    origin.clearFaults();
    clock.advance(60_000);
    assert.match((await get(`${url}/a`)).field('cache-status')!, /fwd=stale; fwd-status=200/);
  });
}

for (const directive of ['must-revalidate', 'proxy-revalidate', 's-maxage=60', 'no-cache']) {
  it(`answers 504 in an outage where the origin said ${directive}, and has the copy again afterwards`, async (test) => {
    const { clock, origin, url } = await rawMount(test, {
      respond: ({ fields }) =>
        fields.includes('if-none-match')
          ? answer('', ['etag', '"1"'], 304)
          : answer('good', ['etag', '"1"', 'cache-control', `max-age=60, ${directive}`]),
    });
    await get(`${url}/a`);
    clock.advance(61_000);
    await origin.down();
    for (const attempt of ['first', 'second']) {
      const response = await get(`${url}/a`);
      assert.equal(response.status, 504, `${attempt} attempt`);
      assert.equal((response.json() as { title: string }).title, 'No usable copy');
      assert.match(response.field('cache-status')!, /^wheelkeep/);
    }
    await origin.up();
    origin.log.clear();
    assert.equal((await get(`${url}/a`)).text(), 'good');
    assert.ok(origin.log.entries[0]!.fields.includes('if-none-match'), 'the copy was not lost');
  });
}

it('passes on what a must-revalidate origin says, even when it says 503', async (test) => {
  const { clock, origin, url } = await rawMount(test, {
    respond: () => answer('good', ['cache-control', 'max-age=60, must-revalidate']),
  });
  await get(`${url}/a`);
  clock.advance(61_000);
  origin.fault('/a', status(503, [], 'the origin is closed'));
  const response = await get(`${url}/a`);
  assert.equal(response.status, 503);
  assert.equal(response.text(), 'the origin is closed');
});

it('never hides a 401, 403, 404 or 410 behind a copy', async (test) => {
  const { clock, origin, url } = await rawMount(test, {
    respond: () => answer('good', ['cache-control', 'max-age=60']),
  });
  for (const code of [401, 403, 404, 410]) {
    await get(`${url}/${code}`);
    clock.advance(61_000);
    origin.fault(`/${code}`, status(code));
    assert.equal((await get(`${url}/${code}`)).status, code);
  }
});

it('keeps the copy through failed refreshes', async (test) => {
  const { clock, origin, url } = await rawMount(test, {
    respond: () => answer('good', ['cache-control', 'max-age=60, stale-while-revalidate=600']),
  });
  await get(`${url}/a`);
  clock.advance(61_000);
  const undo = origin.fault('/a', status(500));
  assert.equal((await get(`${url}/a`)).text(), 'good');
  await origin.log.waitFor(() => origin.log.count('/a') === 2);
  undo();
  await origin.down();
  clock.advance(DAY_MS);
  assert.equal((await get(`${url}/a`)).text(), 'good');
});

it('stale_if_error bounds how long the copy stands in, to the second', async (test) => {
  const { clock, origin, url } = await rawMount(test, {
    respond: () => answer('good', ['cache-control', 'max-age=60']),
    mount: { staleIfErrorMs: 7 * DAY_MS },
  });
  await get(`${url}/a`);
  await origin.down();
  clock.advance(7 * DAY_MS + 59_000);
  assert.equal((await get(`${url}/a`)).status, 200);
  clock.advance(1_000);
  assert.equal((await get(`${url}/a`)).status, 502);
});

it('override_cache_control speaks for the origin, and says so', async (test) => {
  const { clock, origin, url } = await rawMount(test, {
    respond: () => answer('good', ['cache-control', 'no-store, private', 'expires', '0']),
    mount: { overrideCacheControl: 'max-age=300' },
  });
  await get(`${url}/a`);
  clock.advance(299_000);
  const response = await get(`${url}/a`);
  assert.match(response.field('cache-status')!, /hit; ttl=1; detail=override$/);
  assert.equal(response.field('cache-control'), 'max-age=300');
  assert.equal(origin.log.count('/a'), 1);
});

it('a restart during the outage changes nothing', async (test) => {
  const dataDir = await temporaryFolder(test);
  const large = Buffer.alloc(300_000, 'large');
  const setting = await rawMount(test, {
    respond: ({ url }) => answer(url === '/large' ? large : 'good', ['cache-control', 'max-age=60']),
    dataDir,
  });
  await get(`${setting.url}/a`);
  await get(`${setting.url}/large`);
  await setting.origin.down();
  setting.clock.advance(DAY_MS);
  const { url } = await setting.restart();
  assert.equal((await get(`${url}/a`)).text(), 'good');
  assert.ok((await get(`${url}/large`)).body.equals(large));
});

it('answers 502 while the origin refuses, where nothing is stored, and 504 for only-if-cached', async (test) => {
  const { origin, url } = await rawMount(test, { respond: () => answer('good') });
  assert.equal((await get(`${url}/a`, { 'cache-control': 'only-if-cached' })).status, 504);
  assert.equal(origin.log.count(), 0);
  await origin.down();
  const response = await get(`${url}/a`);
  assert.equal(response.status, 502);
  assert.match(response.field('cache-status')!, /^wheelkeep; detail=upstream-connect$/);
});

it('asks again where a clock that was set back leaves the age unknown', async (test) => {
  const { clock, origin, url } = await rawMount(test, {
    respond: () => answer('good', ['cache-control', 'max-age=60']),
  });
  await get(`${url}/a`);
  clock.advance(-DAY_MS);
  const response = await get(`${url}/a`);
  assert.equal(response.field('age'), undefined);
  assert.equal(origin.log.count('/a'), 2);
  assert.match((await get(`${url}/a`)).field('cache-status')!, /; hit; ttl=60$/);
});
