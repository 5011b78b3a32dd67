// What is written down of an entry is read back: by its size as written, whatever a page's author puts into it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Digest } from '../../src/core/digest.ts';
import { lighterFacts } from '../../src/index/lighter-facts.ts';
import { encodeTrailer, isReadBack } from '../../src/store/blobs/body-trailer.ts';
import type { Entry, Json } from '../../src/store/entries/entry.ts';
import { describe, fitting } from '../../src/store/entries/record.ts';
import { encodeRecord, MAX_RECORD_BYTES } from '../../src/store/entries/record-codec.ts';
import { Random, seedOf } from '../fuzz/random.ts';

const KEY = 'page:main:demo';
const DIGEST = 'a'.repeat(64) as Digest;
const TEXTS = ['x', '"', '\\', '„', '\u{1f600}', '\u0001'];

function remembered(random: Random, prefix: string) {
  const count = random.below(101);
  const length = random.pick([0, 10, 300, 2_500, 10_000]);
  const files = Array.from({ length: count }, (_, i) => ({
    filename: `${prefix}-${i}.whl`,
    url: `https://files.example/${prefix}-${i}.whl`,
    hashes: { sha256: String(i).padStart(64, '0') },
    size: i,
    yanked: length === 0 ? false : random.pick(TEXTS).repeat(length),
    [`x-${prefix}`]: random.pick(TEXTS).repeat(length),
  }));
  const page = JSON.stringify({ meta: { 'api-version': '1.1' }, name: 'demo', files });
  return { filenames: files.map(({ filename }) => filename), page };
}

function entryOf(facts: Json): Entry {
  return {
    status: 200,
    fields: ['content-type', 'text/html'],
    url: 'https://index.example/simple/demo/',
    requestTime: 1,
    responseTime: 2,
    varying: [],
    source: 'index.example',
    body: { digest: DIGEST, sizeBytes: 1, verified: true },
    facts,
  };
}

/** What must not give way: the files that changed, each by URL and hash. */
function identities(facts: Json | undefined): unknown {
  const { kept } = facts as { readonly kept?: { readonly page: string } };
  const { files } = JSON.parse(kept!.page) as { readonly files: readonly Record<string, unknown>[] };
  return files.map(({ filename, url, hashes, size }) => ({ filename, url, hashes, size }));
}

test('whatever is remembered, the entry fits, and no file that changed loses its URL or hash', () => {
  const random = new Random(seedOf(7));
  for (let round = 0; round < 60; round++) {
    const facts = { files: 3, serial: round, kept: remembered(random, 'kept'), departed: remembered(random, 'left') };
    const fitted = fitting(KEY, entryOf(facts), { lighten: lighterFacts });
    assert.ok(Buffer.byteLength(encodeRecord({ format: 1, variants: [fitted] })) <= MAX_RECORD_BYTES, `${round}`);
    assert.ok(isReadBack({ digest: DIGEST, description: describe(KEY, fitted) }), `${round}`);
    assert.deepEqual(identities(fitted.facts), identities(facts));
    const { files, serial } = fitted.facts as { files: number; serial: number };
    assert.deepEqual([files, serial], [3, round]);
  }
});

test('what fits stays as it is, and what left first gives way first', () => {
  const file = (i: number) => ({ filename: `${i}.whl`, url: `https://files.example/${i}`, hashes: {}, yanked: 'why' });
  const few = { filenames: ['0.whl'], page: JSON.stringify({ name: 'demo', files: [file(0)] }) };
  const entry = entryOf({ files: 1, departed: few });
  assert.equal(fitting(KEY, entry, { lighten: lighterFacts }), entry);
  const names = [1, 2, 3, 4, 5].map((i) => `${i}.whl`);
  const many = { filenames: names, page: JSON.stringify({ name: 'demo', files: [1, 2, 3, 4, 5].map(file) }) };
  const bare = lighterFacts({ files: 1, departed: many }) as { departed: { filenames: string[]; page: string } };
  assert.deepEqual(bare.departed.filenames, names);
  assert.doesNotMatch(bare.departed.page, /why/);
  const halved = lighterFacts(bare as never) as { departed: { filenames: string[] } };
  assert.deepEqual(halved.departed.filenames, ['4.whl', '5.whl']);
  const last = lighterFacts(lighterFacts(halved as never)!);
  assert.deepEqual(last, { files: 1 });
  assert.equal(lighterFacts(last!), undefined);
});

test('a description that would not be read back is not written', () => {
  const description = { text: '„'.repeat(500_000) };
  assert.equal(isReadBack({ digest: DIGEST, description }), false);
  assert.throws(() => encodeTrailer({ digest: DIGEST, description }), { code: 'EFBIG' });
});
