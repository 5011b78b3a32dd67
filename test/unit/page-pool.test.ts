// Large pages are worked on by another thread: every kind of work comes back as if it had been done here.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { digestOf } from '../../src/core/digest.ts';
import { UpstreamFailure } from '../../src/core/errors.ts';
import { PagePool } from '../../src/index/page-pool.ts';
import { PageReader, type PageSource } from '../../src/pages/page-reader.ts';
import { parseProjectName } from '../../src/pages/project-name.ts';
import { sha256 } from '../support/upstream/wheels.ts';

const LIMITS = { maxDecodedBytes: 1 << 26 };
const DEMO = parseProjectName('demo')!.name;

function source(value: unknown, project: PageSource['project']): PageSource {
  const body = Buffer.from(JSON.stringify(value));
  assert.ok(body.length > 100_000, 'small bodies do not leave this thread');
  const contentType = 'application/json';
  const url = 'https://index.example/simple/demo/';
  return { digest: digestOf(body), body, contentType, contentEncoding: undefined, serialHeader: '7', url, project };
}

const file = (host: string, i: number) => ({
  filename: `demo-${i}.tar.gz`,
  url: `https://${host}/p/${i}/demo-${i}.tar.gz`,
  hashes: { sha256: sha256(String(i)) },
});
const page = (host: string, count: number) =>
  source({ meta: {}, name: 'demo', files: Array.from({ length: count }, (_, i) => file(host, i)) }, DEMO);
const list = (prefix: string) =>
  source({ meta: {}, projects: Array.from({ length: 8_000 }, (_, i) => ({ name: `${prefix}-${i}` })) }, undefined);
const legacy = source({ info: {}, urls: Array.from({ length: 1_500 }, (_, i) => file('files.example', i)) }, undefined);

function both(t: TestContext) {
  const pagePool = new PagePool(LIMITS);
  t.after(() => pagePool.close());
  return { pagePool, reader: new PageReader(LIMITS, 1 << 26) };
}

test('checking, rendering and finding', async (t) => {
  const { pagePool, reader } = both(t);
  const large = {
    ...page('mirror.example', 1_500),
    moves: [{ from: 'https://mirror.example/', to: 'https://f.example/' }],
  };
  assert.deepEqual(await pagePool.check(large), reader.check(large));
  for (const format of ['json', 'html'] as const) {
    const rendered = await pagePool.render(large, format);
    assert.ok(rendered.equals(reader.render(large, format)));
    assert.ok(rendered.includes('files/https/f.example/p/7/demo-7.tar.gz'));
  }
  const found = await pagePool.find(large, 'https://f.example/p/7/demo-7.tar.gz', 'demo-7.tar.gz');
  assert.deepEqual(found, reader.find(large, 'https://f.example/p/7/demo-7.tar.gz', 'demo-7.tar.gz'));
  assert.deepEqual(
    [found.at?.url, found.at?.link],
    ['https://mirror.example/p/7/demo-7.tar.gz', 'https://f.example/p/7/demo-7.tar.gz'],
  );
  assert.equal((await pagePool.find(large, '', 'demo-7.tar.gz')).named?.filename, 'demo-7.tar.gz');
});

test('comparing pages, merging lists, mapping documents', async (t) => {
  const { pagePool, reader } = both(t);
  const [held, candidate] = [page('a.example', 1_500), page('b.example', 1_400)];
  const comparison = await pagePool.compare(held, candidate, [], 'differing');
  assert.deepEqual(comparison, reader.compare(held, candidate, [], 'differing'));
  assert.deepEqual(comparison.moves, [{ from: 'https://b.example/', to: 'https://a.example/' }]);
  const lists = [
    { index: 'a', source: list('x') },
    { index: 'b', source: list('y') },
  ];
  const routes = [{ names: ['x-1*'], index: 'b' }];
  const merged = await pagePool.merge(lists, routes, 'json');
  assert.ok(merged.equals(reader.merge(lists, routes, 'json')));
  assert.equal((JSON.parse(merged.toString()) as { projects: unknown[] }).projects.length, 16_000 - 1_111);
  const form = { kind: 'legacy-json', root: '../../' } as const;
  assert.deepEqual(await pagePool.checkDocument(legacy, 'legacy-json'), { serial: 7, files: 1_500, apiVersion: '1.0' });
  const document = await pagePool.document(legacy, form);
  assert.ok(document.equals(reader.document(legacy, form)));
  assert.ok(document.includes('../../files/https/files.example/p/7/demo-7.tar.gz'));
});

test('what is no page is a failure of upstream, from the other thread, too', async (t) => {
  const { pagePool } = both(t);
  const invalid = (error: unknown) => error instanceof UpstreamFailure && error.kind === 'invalid-body';
  await assert.rejects(
    pagePool.check(list('x')).then(() => pagePool.check({ ...list('x'), project: DEMO })),
    invalid,
  );
  await assert.rejects(pagePool.checkDocument(list('x'), 'legacy-json'), invalid);
  await assert.rejects(pagePool.checkDocument(legacy, 'provenance'), invalid);
});

test('a thread that has read a large list ends when it is idle, and no work is lost by that', async (t) => {
  const threads = () => readdirSync('/proc/self/task').length;
  const pagePool = new PagePool(LIMITS, { retireAfterMs: 5 });
  t.after(() => pagePool.close());
  const projects = Array.from({ length: 120_000 }, (_, i) => ({ name: `project-${i}` }));
  const large = source({ meta: {}, projects }, undefined);
  const before = threads();
  let ended = false;
  // One whose garbage happens to be collected at the end of the work holds little, and rightly stays.
  for (let works = 0; !ended && works < 20; works += 1) {
    await pagePool.check(large);
    const during = threads();
    assert.ok(during > before, `${before} threads, then ${during}`);
    for (let tries = 0; threads() >= during && tries < 50; tries += 1) await sleep(10);
    ended = threads() < during;
  }
  assert.ok(ended);
  for (let i = 0; i < 4; i += 1) {
    assert.equal((await pagePool.check(large)).facts.files, 120_000);
    await sleep(i % 8);
    assert.equal((await pagePool.check(page('files.example', 1_500))).facts.files, 1_500);
  }
});

test('a bomb of some kilobytes does not hold up this thread', async (t) => {
  const { pagePool } = both(t);
  await pagePool.check(page('files.example', 1_500));
  const body = gzipSync(Buffer.alloc(60 << 20));
  assert.ok(body.length < 96 * 1024);
  const bomb = { ...page('files.example', 1_500), body, digest: digestOf(body), contentEncoding: 'gzip' };
  const startedAt = performance.now();
  const checking = pagePool.check(bomb);
  const busyMs = performance.now() - startedAt;
  await assert.rejects(checking, UpstreamFailure);
  assert.ok(busyMs < 50, `${busyMs} ms`);
});

test('a coding that was not asked for is no page, and neither is a body that grows a hundredfold beyond 1 MB', async (t) => {
  const { pagePool } = both(t);
  const plain = page('files.example', 1_500);
  const sent = (body: Buffer, contentEncoding: string | undefined) => ({
    ...plain,
    body,
    digest: digestOf(body),
    contentEncoding,
  });
  const invalid = { kind: 'invalid-body' };
  const text = Buffer.from(plain.body);
  for (const coding of ['zstd', 'br', 'deflate', 'gzip, gzip', 'compress']) {
    await assert.rejects(pagePool.check(sent(zstdCompressSync(text), coding)), invalid, coding);
  }
  for (const coding of [undefined, '', 'identity', 'gzip']) await pagePool.check(sent(text, coding));
  // Earlier versions took zstd: what they stored is still read.
  const stored = await pagePool.render(sent(zstdCompressSync(text), 'zstd'), 'json');
  assert.equal(JSON.parse(stored.toString()).files.length, 1_500);
  await pagePool.check(sent(gzipSync(text), 'gzip'));
  // A page that would be accepted if it came as it is.
  const padded = (bytes: number) => gzipSync(Buffer.concat([text, Buffer.alloc(bytes, ' ')]));
  await pagePool.check(sent(padded(500_000), 'gzip'));
  await assert.rejects(pagePool.check(sent(padded(60 << 20), 'gzip')), invalid);
});

test('a page that takes too long fails alone: the pages behind it are read by another thread', async (t) => {
  const ended: unknown[] = [];
  const pagePool = new PagePool(LIMITS, { deadlineMs: 1_500 }, (...end) => ended.push(end));
  t.after(() => pagePool.close());
  const body = Buffer.from(
    `{"meta":{},"name":"demo","files":[],"x":[${'1.0,'.repeat(1_900_000)}"${' '.repeat(30 << 20)}"]}`,
  );
  const slow = { ...page('files.example', 1_500), body, digest: digestOf(body) };
  const slowly = Array.from({ length: 3 }, () => pagePool.check(slow));
  const quick = pagePool.check(page('files.example', 1_500));
  const outcomes = await Promise.allSettled(slowly);
  assert.equal((await quick).facts.files, 1_500);
  for (const outcome of outcomes) assert.equal(outcome.status, 'rejected', 'the page is too quick for this test');
  assert.deepEqual(ended, [['time', 'demo']]);
  const startedAt = performance.now();
  await assert.rejects(pagePool.check(slow), { kind: 'invalid-body' });
  assert.ok(performance.now() - startedAt < 100, 'what was rejected is remembered');
});
