import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { digestOf } from '../../src/core/digest.ts';
import { IndexService, type IndexServiceOptions } from '../../src/index/index-service.ts';
import { RenderedPages } from '../../src/index/rendered-pages.ts';
import { WithdrawnMetadata } from '../../src/index/withdrawn-metadata.ts';
import type { FoundRecords, ListedFile } from '../../src/pages/page-reader.ts';
import type { ProjectName } from '../../src/pages/project-name.ts';
import { Policies } from '../../src/policy/policies.ts';
import { RecentBodies } from '../../src/store/blobs/recent-bodies.ts';
import type { Entry } from '../../src/store/entries/entry.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const PAGES = 5_000;
const BODY_BYTES = 1_000;

/** Bytes of V8's heap and of buffers that are needed. */
function usedBytes(): number {
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

it('recent bodies cost no more memory than their budget counts, also where they are cut out of larger memory', () => {
  const maxBytes = 4_000_000;
  const bodies = new RecentBodies({ maxBytes });
  const before = usedBytes();
  for (let i = 0; i < PAGES; i++) bodies.add(digestOf(`${i}`), randomBytes(20 * BODY_BYTES).subarray(0, BODY_BYTES));
  const taken = usedBytes() - before;
  assert.ok(bodies.get(digestOf(`${PAGES - 1}`)) !== undefined && bodies.get(digestOf('0')) === undefined);
  assert.ok(taken <= maxBytes && taken > maxBytes / 2, `${taken} bytes`);
});

it('rendered pages cost no more memory than their budget counts', async () => {
  const pages = new RenderedPages({ maxBytes: 1e9 });
  const before = usedBytes();
  for (let i = 0; i < PAGES; i++) await pages.get(entryOf(i), 'json', 'gzip', async () => randomBytes(BODY_BYTES));
  const taken = usedBytes() - before;
  assert.ok(pages.peek(entryOf(0), 'json', 'gzip') !== undefined);
  assert.ok(taken <= pages.bytes && taken > pages.bytes / 2, `${taken} bytes, counted as ${pages.bytes}`);
});

function entryOf(i: number): Entry {
  return {
    status: 200,
    fields: [],
    url: `https://index.example/simple/project-${i}/`,
    requestTime: 0,
    responseTime: 0,
    varying: [],
    source: 'test',
    body: { digest: digestOf(`${i}`), sizeBytes: BODY_BYTES, verified: true },
    facts: { files: 1, apiVersion: '1.0', serial: i },
  };
}

/** A page whose description carries what was kept of its predecessors: as much as a page may remember. */
function entryWithKeptFiles(i: number): Entry {
  const kept = { page: `${i} ${'k'.repeat(200_000)}`, filenames: [`demo-${i}.whl`] };
  return { ...entryOf(i), facts: { files: 1, apiVersion: '1.0', serial: i, kept } };
}

it('what is made of pages is known by digests: the files that a page keeps are not kept once more', async () => {
  const pages = new RenderedPages({ maxBytes: 1e9 });
  const before = usedBytes();
  for (let i = 0; i < 300; i++) await pages.get(entryWithKeptFiles(i), 'json', 'gzip', async () => randomBytes(100));
  const taken = usedBytes() - before;
  // 60 MB, were they in the keys.
  assert.ok(taken <= pages.bytes + 2_000_000, `${taken} bytes, counted as ${pages.bytes}`);
  const other: Entry = { ...entryOf(7), facts: { files: 1, kept: { page: 'other', filenames: [] } } };
  assert.ok(pages.peek(entryWithKeptFiles(7), 'json', 'gzip') !== undefined);
  assert.equal(pages.peek(other, 'json', 'gzip'), undefined, 'other kept files are another page');
});

it('a page is known by a digest of the links that are withdrawn from it', async () => {
  const withdrawn = new WithdrawnMetadata({ now: () => 0 });
  const manners: string[] = [];
  const service = indexService({
    withdrawn,
    rendered: { peek: (_entry, _form, _coding, variant = '') => void manners.push(variant) },
  });
  const project = 'demo' as ProjectName;
  for (let i = 0; i < 100; i++) withdrawn.withdraw('only', project, `https://files.example/${'l'.repeat(2_000)}/${i}`);
  service.peekDetail(['only'], project, 'json', 'gzip');
  withdrawn.withdraw('only', project, 'https://files.example/one-more');
  service.peekDetail(['only'], project, 'json', 'gzip');
  assert.ok(manners.every(({ length }) => length < 200));
  assert.notEqual(manners[0], manners[1]);
});

it('records that were found lately stay within their bytes, however long names, URLs and kept files are', async () => {
  const project = 'demo' as ProjectName;
  let i = 0;
  const service = indexService({
    entry: () => entryWithKeptFiles(i),
    // As a reader of HTML has it: cut out of the text of the page.
    find: () => {
      const text = `${i} ${'page '.repeat(5_000)} https://files.example/${'u'.repeat(5_000)}`;
      const url = text.slice(text.indexOf('https:'));
      const file = { filename: 'demo-1.zip', url, link: url, elsewhere: [], hashes: {}, yanked: false };
      return { at: file as unknown as ListedFile };
    },
  });
  const ask = (n: number) => {
    i = n;
    const filename = `${n}${'f'.repeat(5_000)}`;
    return service.findFile(['only'], project, { key: `https://files.example/${filename}`, filename });
  };
  await ask(0);
  const before = usedBytes();
  for (let n = 1; n < 1_000; n++) await ask(n);
  const taken = usedBytes() - before;
  assert.ok(taken < 6_000_000, `${taken} bytes`);
  assert.equal((await ask(999)).at?.url.length, 'https://files.example/'.length + 5_000);
});

/** A service over one index that always has the page of `entry`. */
function indexService(parts: {
  readonly entry?: () => Entry;
  readonly find?: () => FoundRecords;
  readonly withdrawn?: WithdrawnMetadata;
  readonly rendered?: Pick<RenderedPages, 'peek'>;
}): IndexService {
  const { entry = () => entryOf(0), find = () => ({}) } = parts;
  const { withdrawn = new WithdrawnMetadata({ now: () => 0 }) } = parts;
  const answer = () => ({ entry: entry(), outcome: 'hit', ageSeconds: 0, remainingSeconds: 60 });
  const blob = { bytes: Buffer.from('page'), sizeBytes: 4, release: () => {} };
  const options = {
    resources: { detail: () => ({}) },
    readThrough: {
      peek: answer,
      read: async () => answer(),
      body: async (_resource: unknown, found: unknown) => ({ answer: found, blob }),
    },
    routing: { allowed: () => ['only'] },
    rendered: parts.rendered ?? { peek: () => undefined },
    pagePool: { find: async () => find() },
    provenanceRoot: undefined,
    extracting: new Set(),
    withdrawn,
    policies: new Policies(new Map()),
    now: () => 0,
  };
  return new IndexService(options as unknown as IndexServiceOptions);
}
