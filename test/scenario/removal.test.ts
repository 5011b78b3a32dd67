// What contradicts a page we hold must be said twice before it is believed, for indexes have called projects missing,
// blank or old that were none of it; takedowns are real too, and a quarantine is believed at once.

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { FakeClock } from '../support/clock/clock.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { type ClientResponse, get } from '../support/proxy/http-client.ts';
import { getPage, JSON_TYPE, listed, until } from '../support/proxy/page-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import type { Fault } from '../support/upstream/fault-plan.ts';
import { notModified, status } from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';

const PAGE = '/simple/foo/';
const MINUTE = 61_000;
const foo = wheel({ name: 'foo', version: '1.0' });

async function setting(test: TestContext) {
  const clock = new FakeClock();
  const index = await FakeIndex.start();
  test.after(() => index.close());
  index.add('foo', foo);
  const dataDir = await temporaryFolder(test);
  const start = () => startProxy({ upstreams: [index.url], now: clock.now, dataDir });
  const proxy = await start();
  test.after(() => proxy.close());
  const held = await getPage(proxy, 'foo');
  assert.equal(held.status, 200);
  return { clock, index, proxy, held, start };
}

function assertKept(answer: ClientResponse, held: ClientResponse): void {
  assert.equal(answer.status, 200);
  assert.deepEqual(answer.body, held.body);
  assert.equal(answer.field('x-wheelkeep-stale'), 'unconfirmed');
  assert.equal(answer.field('cache-control'), 'public, max-age=0');
}

describe('a held project that the index calls missing', () => {
  it('is served until it is called so again a minute later, and is 404 then', async (test) => {
    const { clock, index, proxy, held } = await setting(test);
    index.remove('foo');
    clock.advance(MINUTE);
    assertKept(await getPage(proxy, 'foo'), held);
    clock.advance(30_000);
    assertKept(await getPage(proxy, 'foo'), held);
    assert.equal(index.requests(PAGE), 3, 'asked again, and not believed before the minute was over');
    clock.advance(31_000);
    assert.equal((await getPage(proxy, 'foo')).status, 404);
    assert.equal((await getPage(proxy, 'foo')).status, 404);
    assert.equal(index.requests(PAGE), 4);
    const metrics = await proxy.metrics();
    assert.equal(metrics['wheelkeep_stale_answers_total{kind="page",reason="unconfirmed"}'], 2);
  });

  it('is up to date again 20 s after it was last called missing', async (test) => {
    const { clock, index, proxy, held } = await setting(test);
    const lift = index.fault(PAGE, status(404));
    clock.advance(MINUTE);
    assertKept(await getPage(proxy, 'foo'), held);
    lift();
    index.add('foo', wheel({ name: 'foo', version: '2.0' }));
    clock.advance(19_000);
    assertKept(await getPage(proxy, 'foo'), held);
    clock.advance(1_000);
    assert.equal(listed(await getPage(proxy, 'foo')).length, 2);
  });

  it('stays missing when the index goes down after that, and comes back with the index', async (test) => {
    const { clock, index, proxy, start } = await setting(test);
    index.remove('foo');
    for (let i = 0; i < 2; i += 1) {
      clock.advance(MINUTE);
      await getPage(proxy, 'foo');
    }
    assert.equal((await getPage(proxy, 'foo')).status, 404);
    await proxy.close();
    await index.down();
    const again = await start();
    test.after(() => again.close());
    assert.equal((await getPage(again, 'foo')).status, 404, 'a removed page came back from the disk');
    clock.advance(MINUTE);
    assert.equal((await getPage(again, 'foo')).status, 502);
    await index.up();
    index.add('foo', foo);
    clock.advance(31_000);
    await until(
      () => getPage(again, 'foo'),
      ({ status }) => status === 200,
    );
  });

  it('is fresh again when the index takes it back, and the count begins anew', async (test) => {
    const { clock, index, proxy, held } = await setting(test);
    for (let round = 0; round < 3; round += 1) {
      const lift = index.fault(PAGE, status(404), { times: 1 });
      clock.advance(MINUTE);
      assertKept(await getPage(proxy, 'foo'), held);
      lift();
      clock.advance(MINUTE);
      assert.equal((await getPage(proxy, 'foo')).field('x-wheelkeep-stale'), undefined);
    }
  });

  it('is not believed missing for what was said before and right after an outage', async (test) => {
    const { clock, index, proxy, held } = await setting(test);
    const play = async (code: number, expected: RegExp) => {
      index.clearFaults();
      index.fault(PAGE, status(code));
      clock.advance(MINUTE);
      const answer = await getPage(proxy, 'foo');
      assert.deepEqual(answer.body, held.body);
      assert.match(answer.field('x-wheelkeep-stale') ?? '', expected);
    };
    await play(404, /^unconfirmed$/);
    await play(503, /^failure$/);
    await play(404, /^unconfirmed$/);
    index.clearFaults();
    clock.advance(MINUTE);
    assert.equal((await getPage(proxy, 'foo')).field('x-wheelkeep-stale'), undefined);
  });

  it('remembers a doubt over a restart', async (test) => {
    const { clock, index, proxy, held, start } = await setting(test);
    index.remove('foo');
    clock.advance(MINUTE);
    assertKept(await getPage(proxy, 'foo'), held);
    await proxy.close();
    const again = await start();
    test.after(() => again.close());
    clock.advance(MINUTE);
    assert.equal((await getPage(again, 'foo')).status, 404);
  });
});

describe('a held page that the index replaces', () => {
  /** A whole page without files, whatever was asked: 304 would say that ours still holds. */
  function blank(serial: number): Fault {
    const body = { meta: { 'api-version': '1.1', '_last-serial': serial }, name: 'foo', versions: [], files: [] };
    const fields = ['content-type', JSON_TYPE, 'x-pypi-last-serial', String(serial)];
    return ({ answer, send }) => send({ ...answer, status: 200, fields, body: Buffer.from(JSON.stringify(body)) });
  }

  it('by a blank one is served until that is said again a minute later', async (test) => {
    const { clock, index, proxy, held } = await setting(test);
    index.fault(PAGE, blank(index.serialOf('foo')));
    clock.advance(MINUTE);
    assertKept(await getPage(proxy, 'foo'), held);
    clock.advance(MINUTE);
    assert.deepEqual(listed(await getPage(proxy, 'foo')), []);
  });

  it('by a blank one of a higher serial is believed at once: its files were deleted', async (test) => {
    const { clock, index, proxy } = await setting(test);
    index.remove('foo', foo.filename);
    clock.advance(MINUTE);
    assert.deepEqual(listed(await getPage(proxy, 'foo')), []);
  });

  it('by an older one is served until the index has insisted for half an hour', async (test) => {
    const { clock, index, proxy, held } = await setting(test);
    index.fault(PAGE, blank(index.serialOf('foo') - 1));
    for (let minute = 0; minute < 30; minute += 1) {
      clock.advance(MINUTE);
      assertKept(await getPage(proxy, 'foo'), held);
    }
    clock.advance(MINUTE);
    assert.deepEqual(listed(await getPage(proxy, 'foo')), []);
  });

  it('is asked for anew when a 304 is about another page than the one we hold', async (test) => {
    const { clock, index, proxy } = await setting(test);
    index.add('foo', wheel({ name: 'foo', version: '2.0' }));
    index.fault(PAGE, notModified('"of-another-page"'), { times: 1 });
    clock.advance(MINUTE);
    assert.equal(listed(await getPage(proxy, 'foo')).length, 2);
    assert.equal(index.requests(PAGE), 3);
  });
});

describe('a quarantine', () => {
  it('is honoured by the page and the file URL at once, and holds while the index is down', async (test) => {
    const { clock, index, proxy } = await setting(test);
    const file = () => get(`${proxy.url}/files/http/${new URL(index.url).host}${index.pathOf(foo)}`);
    assert.equal((await file()).status, 200);
    index.setStatus('foo', 'quarantined');
    clock.advance(MINUTE);
    const page = await getPage(proxy, 'foo');
    assert.deepEqual(listed(page), []);
    assert.deepEqual((page.json() as { 'project-status': unknown })['project-status'], { status: 'quarantined' });
    const refused = await file();
    assert.equal(refused.status, 403);
    assert.match(refused.text(), /quarantined/);
    await index.down();
    clock.advance(MINUTE);
    assert.deepEqual(listed(await getPage(proxy, 'foo')), []);
    assert.equal((await file()).status, 403);
  });
});
