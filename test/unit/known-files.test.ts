// By which hash a name was first seen is remembered for as many names as there ever were, in bounded records.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KnownFiles } from '../../src/index/known-files.ts';
import { batchesOf, type Claim, hashesOf, hashTexts, nameOf } from '../../src/pages/known-hashes.ts';
import { parseProjectName } from '../../src/pages/project-name.ts';
import type { EntryRecord } from '../../src/store/entries/entry.ts';
import { sha256 } from '../support/upstream/wheels.ts';

const DEMO = parseProjectName('demo')!.name;
const MAX_RECORD_BYTES = 256 * 1024;

/** Records by key, as one node has them and as nodes share them. */
function stores() {
  const shared = new Map<string, EntryRecord>();
  const node = () => {
    const own = new Map<string, EntryRecord>();
    const entries = {
      peek: (key: string) => own.get(key),
      reread: (key: string) => own.get(key),
      getShared: async (key: string) => shared.get(key),
      set: async (key: string, record: EntryRecord) => {
        assert.ok(JSON.stringify(record).length < MAX_RECORD_BYTES, `${key} is too large`);
        own.set(key, record);
        shared.set(key, record);
      },
    };
    return { own, known: new KnownFiles({ entries, now: () => 1_800_000_000_000, scopeOf: (index) => index }) };
  };
  return { shared, node };
}

const claim = (filename: string, ...now: readonly string[][]): Claim => ({
  filename,
  what: 'file',
  name: nameOf(filename, 'file'),
  before: [],
  now,
  uploadedSeconds: 1_700_000_000,
});
const named = (i: number) => `demo-${i}.tar.gz`;
const right = (i: number) => [`sha256:${sha256(String(i))}`];
const never = () => false;
const always = () => true;

async function see(known: KnownFiles, claims: readonly Claim[]) {
  const { changed, notes } = await known.judge('main', DEMO, batchesOf(claims), never, undefined);
  await known.note('main', DEMO, notes, always);
  return changed.map(({ filename }) => filename);
}

test('a hundred thousand files that have left are remembered, each in few bytes', async () => {
  const { own, known } = stores().node();
  const COUNT = 100_000;
  for (let from = 0; from < COUNT; from += 20_000) {
    const claims = Array.from({ length: 20_000 }, (_, i) => claim(named(from + i), right(from + i)));
    assert.deepEqual(await see(known, claims), []);
  }
  await known.noteGone('main', DEMO, always);
  const bytes = [...own.values()].reduce((sum, record) => sum + JSON.stringify(record).length, 0);
  assert.ok(bytes / COUNT < 160, `${bytes / COUNT} bytes each`);
  for (const i of [0, 1, 777, 50_000, COUNT - 1]) {
    assert.deepEqual(await see(known, [claim(named(i), right(i + 1))]), [named(i)]);
    assert.deepEqual(await see(known, [claim(named(i), right(i))]), []);
  }
});

test('a name is known by the strongest hash of its first page, and nothing less repeats it', async () => {
  const { known } = stores().node();
  const [good, md5, sha512] = [right(1)[0]!, `md5:${'a'.repeat(32)}`, `sha512:${'b'.repeat(128)}`];
  assert.deepEqual(await see(known, [claim('a', [good, md5])]), []);
  for (const now of [[[]], [[md5]], [[sha512]], [[md5, sha512]], [[good], right(2)], [[good], []], [right(2)]]) {
    assert.deepEqual(await see(known, [claim('a', ...now)]), ['a'], JSON.stringify(now));
  }
  for (const now of [[[good]], [[good, sha512]], [[good], [good, md5]]]) {
    assert.deepEqual(await see(known, [claim('a', ...now)]), [], JSON.stringify(now));
  }
  // What was claimed beside it later proves nothing.
  assert.deepEqual(await see(known, [claim('a', [sha512])]), ['a']);
  // Unhashed at first, then known.
  assert.deepEqual(await see(known, [claim('b', [])]), []);
  assert.deepEqual(await see(known, [claim('b', right(3))]), []);
  assert.deepEqual(await see(known, [claim('b', right(4))]), ['b']);
});

test('what one node knows another one knows, whichever of them knows more', async () => {
  const world = stores();
  const [one, two] = [world.node(), world.node()];
  await see(two.known, [claim('only two', right(7))]);
  await see(
    one.known,
    Array.from({ length: 3_000 }, (_, i) => claim(named(i), right(i))),
  );
  for (const { known } of [one, two, world.node()]) {
    assert.deepEqual(await see(known, [claim('only two', right(8))]), ['only two']);
    for (const i of [0, 1_234, 2_999]) assert.deepEqual(await see(known, [claim(named(i), right(i + 1))]), [named(i)]);
  }
});

test('what two nodes have seen apart, while Redis was empty, is known to both', async () => {
  const { shared, node } = stores();
  const [one, two] = [node(), node()];
  await see(one.known, [claim('a', right(1))]);
  shared.clear();
  await see(two.known, [claim('b', right(2))]);
  assert.deepEqual(await see(one.known, [claim('b', right(3)), claim('a', right(1))]), ['b']);
  assert.deepEqual(await see(two.known, [claim('a', right(3)), claim('b', right(2))]), ['a']);
});

test('a page that was overtaken by a purge writes nothing down', async () => {
  const { own, known } = stores().node();
  const { notes } = await known.judge('main', DEMO, batchesOf([claim('a', right(1))]), never, undefined);
  await known.note('main', DEMO, notes, never);
  assert.equal(own.size, 0);
});

test('when a file was uploaded and when it left are remembered, until it returns', async () => {
  const { own, known } = stores().node();
  await see(known, [claim('a', right(1))]);
  const line = () => JSON.stringify([...own.values()][0]!.variants[0]!.facts);
  const [uploaded, left] = [(1_700_000_000).toString(36), (1_800_000_000).toString(36)];
  assert.match(line(), new RegExp(` ${uploaded} - sha256`));
  await see(known, [claim('a')]);
  assert.match(line(), new RegExp(` ${uploaded} ${left} sha256`));
  await see(known, [claim('a', right(1))]);
  assert.match(line(), new RegExp(` ${uploaded} - sha256`));
});

test('hashes are read in bounded text, strongest first, and what is none is none', () => {
  const hex = 'A'.repeat(64);
  assert.deepEqual(hashTexts({ md5: 'b'.repeat(32), sha256: hex }), [
    `sha256:${'a'.repeat(64)}`,
    `md5:${'b'.repeat(32)}`,
  ]);
  assert.deepEqual(hashTexts({ sha256: '', md5: 'zz', sha512: hex }), []);
  assert.deepEqual(hashTexts({ SHA256: hex }), [`SHA256:${'a'.repeat(64)}`]);
  const odd = hashTexts({ 'x y\n': 'z', blake3: 'q'.repeat(100_000) });
  assert.ok(
    odd.every((text) => /^[!-~]{1,160}$/.test(text)),
    odd.join(),
  );
  const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`h${i}`, 'a']));
  assert.equal(hashTexts(many).length, 8);
  assert.equal(hashesOf('blake3:ab'), undefined);
  assert.equal(hashesOf(odd[0]!), undefined);
});
