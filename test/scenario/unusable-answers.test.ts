// Answers that are no pages keep the old copy in place, and secrets that clients send go nowhere.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { quietLog } from '../../src/observe/log.ts';
import { FakeClock } from '../support/clock/clock.ts';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import { getPage, JSON_TYPE, listed } from '../support/proxy/page-client.ts';
import { type ProxyOptions, startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import type { Fault } from '../support/upstream/fault-plan.ts';
import * as faults from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';

const PAGES = /^\/simple\/(?:foo|bar)\//;
const foo = wheel({ name: 'foo', version: '1.0' });

async function world(t: TestContext, more: Partial<ProxyOptions> = {}) {
  const clock = new FakeClock();
  const index = await FakeIndex.start();
  t.after(() => index.close());
  index.add('foo', foo);
  index.add('bar', wheel({ name: 'bar', version: '1.0' }));
  const proxy = await startProxy({ upstreams: [index.url], now: clock.now, ...more });
  t.after(() => proxy.close());
  return { clock, index, proxy };
}

function page(type: string, body: string | Buffer, ...fields: readonly string[]): Fault {
  return faults.alter(() => ({ status: 200, fields: ['content-type', type, ...fields], body: Buffer.from(body) }));
}

const HTML_IN_PLACE_OF_PAGES: Readonly<Record<string, Fault>> = {
  'a login page': faults.loginPage(),
  'the page of a portal with links to archives': page(
    'text/html',
    '<html><title>Welcome</title><a href="/logout">Sign out</a> <a href="/terms.pdf">Terms</a></html>',
  ),
  'an error in XML': page('application/xml', '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'),
  'an error in XML called HTML': page('text/html', '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'),
  'an empty body': page('text/html', ''),
  'a redirect to a foreign host': faults.redirect('https://login.example/?next=/simple/foo/'),
};

const JSON_IN_PLACE_OF_PAGES: Readonly<Record<string, Fault>> = {
  'JSON that was cut': page(JSON_TYPE, '{"meta":{"api-version":"1.0"},"name":"foo","files":[{"filena'),
  'JSON with something behind it': page(JSON_TYPE, '{"meta":{"api-version":"1.0"},"files":[]}<!-- cached -->'),
  'JSON with NaN': page(JSON_TYPE, '{"meta":{"api-version":"1.0"},"files":[],"x":NaN}'),
  'JSON that is no object': page(JSON_TYPE, '[]'),
  'fewer bytes than announced': faults.truncated(20),
  'chunks without an end': faults.unfinishedChunks(20),
  'gzip that was cut': page(
    JSON_TYPE,
    gzipSync(`{"meta":{"api-version":"1.0"},"files":[],"x":"${'y'.repeat(5000)}"}`).subarray(0, 40),
    'content-encoding',
    'gzip',
  ),
};

for (const [name, plays] of [
  ['HTML in the place of a page', HTML_IN_PLACE_OF_PAGES],
  ['JSON in the place of a page', JSON_IN_PLACE_OF_PAGES],
] as const) {
  test(`${name}: what is no page keeps the old copy in place, and is 502 where there is none`, async (t) => {
    for (const [what, fault] of Object.entries(plays)) {
      const { clock, index, proxy } = await world(t);
      const held = await getPage(proxy, 'foo');
      index.bumpSerial('foo');
      index.fault(PAGES, fault);
      clock.advance(61_000);
      const kept = await getPage(proxy, 'foo');
      assert.deepEqual([kept.status, kept.text()], [200, held.text()], what);
      assert.equal((await getPage(proxy, 'bar')).status, 502, what);
      index.clearFaults();
      clock.advance(31_000);
      await getPage(proxy, 'foo');
      assert.deepEqual(listed(await getPage(proxy, 'foo')), [foo.filename], what);
    }
  });
}

test('projects whose pages are none, one among others that are well, keep nobody from the index', async (t) => {
  const { index, proxy } = await world(t);
  index.fault(/^\/simple\/odd-/, page('text/html', '<html><body><form action="/login"></form></body></html>'));
  for (let i = 0; i < 8; i++) {
    index.add(`well-${i}`, wheel({ name: `well-${i}`, version: '1.0' }));
    assert.equal((await getPage(proxy, `odd-${i}`)).status, 502);
    assert.equal((await getPage(proxy, `well-${i}`)).status, 200);
  }
});

test('a byte order mark before JSON is no fault', async (t) => {
  const { index, proxy } = await world(t);
  index.fault(PAGES, page(JSON_TYPE, '\ufeff{"meta":{"api-version":"1.0"},"name":"foo","files":[]}'));
  assert.deepEqual(listed(await getPage(proxy, 'foo')), []);
});

test("a client's credentials go nowhere: not upstream, not into the log, not into what others get", async (t) => {
  const lines: string[] = [];
  const log = { ...quietLog };
  for (const level of ['debug', 'info', 'warn', 'error'] as const) {
    log[level] = (message: string, fields: unknown) => void lines.push(message, JSON.stringify(fields ?? {}));
  }
  const { index, proxy } = await world(t, { overrides: { log } });
  const fields = {
    accept: JSON_TYPE,
    authorization: `Basic ${Buffer.from('me:hunter2').toString('base64')}`,
    cookie: 'session=hunter2',
  };
  const mine = await fetchAll(`${proxy.url}/simple/foo/`, { fields });
  assert.equal(mine.status, 200);
  assert.equal((await fetchAll(`${proxy.url}/simple/nothing-here/?token=hunter2`, { fields })).status, 404);
  const theirs = await getPage(proxy, 'foo');
  assert.deepEqual(theirs.body, mine.body);
  assert.equal(index.requests('/simple/foo/'), 1, 'one answer for all');
  const secrets = /hunter2|aHVudGVy|bWU6aHVudGVyMg/;
  for (const { path, fields: sent } of index.log.entries) assert.doesNotMatch(`${path} ${sent.join()}`, secrets);
  assert.doesNotMatch(lines.join('\n'), secrets);
});

test('with Redis gone and no room on the disk what upstream has is passed through, without an error', async (t) => {
  const { index, proxy } = await world(t, {
    config: {
      redis: { url: 'redis://127.0.0.1:9/0', secret: undefined },
      diskQuotaBytes: 1,
    },
  });
  const large = wheel({ name: 'foo', version: '2.0', sizeBytes: 3_000_000 });
  index.add('foo', large);
  for (let round = 1; round <= 3; round++) {
    const page = await getPage(proxy, 'foo');
    assert.deepEqual(listed(page), [foo.filename, large.filename]);
    const { files } = page.json() as { readonly files: readonly { readonly url: string }[] };
    for (const [i, file] of [foo, large].entries()) {
      const answer = await get(new URL(files[i]!.url, `${proxy.url}/simple/foo/`).href);
      assert.deepEqual([answer.status, answer.sha256], [200, file.sha256], `round ${round}`);
    }
  }
  assert.equal(index.requests(index.pathOf(large)), 3, 'there was room after all');
});
