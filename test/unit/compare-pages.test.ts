import assert from 'node:assert/strict';
import { test } from 'node:test';
import { verdict } from '../../src/index/accept-mirror-page.ts';
import { comparePages, mover, otherPlaces } from '../../src/pages/compare-pages.ts';

const file = (filename: string, url: string, hashes: Record<string, string> = { sha256: 'aa' }) => ({
  filename,
  url,
  hashes,
});
const at = (host: string, ...names: string[]) => names.map((name) => file(name, `https://${host}/p/${name}`));

test('equal pages agree, and have nothing to move', () => {
  const page = at('files.example', 'a-1.zip', 'a-2.zip');
  assert.deepEqual(comparePages(page, page), {
    changed: undefined,
    changedFiles: [],
    left: undefined,
    leftFiles: [],
    moves: [],
  });
});

test('only a hash that both pages know can disagree', () => {
  const compare = (before: Record<string, string>, after: Record<string, string>) =>
    comparePages([file('a', 'https://h/a', before)], [file('a', 'https://h/a', after)]).changed !== undefined;
  assert.equal(compare({ sha256: 'aa' }, { sha256: 'AA' }), false);
  assert.equal(compare({ sha256: 'aa' }, { md5: 'bb' }), false);
  assert.equal(compare({}, { sha256: 'bb' }), false);
  assert.equal(compare({ sha256: 'aa', md5: 'cc' }, { sha256: 'aa', md5: 'dd' }), true);
  assert.equal(compare({ sha256: 'aa' }, { sha256: 'bb' }), true);
});

test('claims are equal when they say the same of the same files', () => {
  const before = [...at('h', 'a', 'b', 'c')];
  const wrong = (hex: string) => [file('a', 'https://h/p/a', { sha256: hex }), ...at('h', 'b', 'c')];
  const { changed, changedFiles } = comparePages(before, wrong('bb'));
  assert.deepEqual(changedFiles, ['a']);
  assert.equal(comparePages(before, wrong('bb').reverse()).changed, changed);
  assert.notEqual(comparePages(before, wrong('cc')).changed, changed);
  assert.equal(comparePages(before, at('h', 'b')).left, comparePages(before.toReversed(), at('h', 'b')).left);
  assert.notEqual(comparePages(before, at('h', 'b')).left, comparePages(before, at('h', 'c')).left);
});

test('one rule moves every file of a mirror that keeps the paths, also those that are new', () => {
  const before = at('files.example', 'a/x/a-1.zip', 'b/y/a-2.zip');
  const after = at('mirror.example/web', 'a/x/a-1.zip', 'b/y/a-2.zip', 'c/z/a-3.zip');
  const { moves } = comparePages(before, after);
  assert.deepEqual(moves, [{ from: 'https://mirror.example/web/', to: 'https://files.example/' }]);
  const known = mover(moves);
  assert.equal(known('https://mirror.example/web/p/c/z/a-3.zip'), 'https://files.example/p/c/z/a-3.zip');
  assert.equal(known('https://other.example/p/c/z/a-3.zip'), 'https://other.example/p/c/z/a-3.zip');
});

test('files that no rule explains are moved one by one, and every known file gets its known URL', () => {
  const before = [
    file('a', 'https://f.example/1/a'),
    file('b', 'https://f.example/2/b'),
    file('c', 'https://m.example/c'),
  ];
  const after = [
    file('a', 'https://m.example/x?signature=1'),
    file('b', 'https://m.example/2/b'),
    file('c', 'https://m.example/c'),
  ];
  const known = mover(comparePages(before, after).moves);
  assert.deepEqual(
    after.map(({ url }) => known(url)),
    before.map(({ url }) => url),
  );
});

test('what is declared holds for every file, but a URL that was given out stays', () => {
  const declared = [{ from: 'https://m.example/', to: 'https://f.example/' }];
  const all = at('m.example', 'a', 'b');
  assert.deepEqual(comparePages(at('f.example', 'a', 'b'), all, declared).moves, declared);
  const known = mover(comparePages([file('a', 'https://m.example/p/a')], all, declared).moves);
  assert.deepEqual(
    all.map(({ url }) => known(url)),
    ['https://m.example/p/a', 'https://f.example/p/b'],
  );
});

test('the other places of a file are those that the rules lead to, in both directions', () => {
  const places = otherPlaces([
    { from: 'https://m.example/', to: 'https://f.example/' },
    { from: 'https://n.example/x/', to: 'https://f.example/' },
    { from: 'https://n.example/odd', to: 'https://f.example/p/a' },
  ]);
  assert.deepEqual(places('https://f.example/p/a', 'https://f.example/p/a'), [
    'https://m.example/p/a',
    'https://n.example/x/p/a',
  ]);
  assert.deepEqual(places('https://m.example/p/a?signature=1', 'https://f.example/p/a'), [
    'https://f.example/p/a',
    'https://n.example/x/p/a',
  ]);
  assert.deepEqual(places('https://other.example/p/a', 'https://other.example/p/a'), []);
});

test('the verdict: older is lagging, another hash is refused, files may leave only with a serial', () => {
  const facts = (serial?: number, status?: string) => ({
    files: 1,
    apiVersion: '1.0',
    ...(serial !== undefined && { serial }),
    ...(status !== undefined && { status }),
  });
  const same = { changed: undefined, left: undefined, same: false };
  const reason = (...given: Parameters<typeof verdict>) => verdict(...given)?.reason;
  assert.equal(reason(facts(5), facts(5), same), undefined);
  assert.equal(reason(facts(5), facts(4), same), 'lagging');
  assert.equal(reason(facts(5), facts(6), { ...same, left: 'x' }), undefined);
  assert.equal(reason(facts(5), facts(), same), undefined);
  assert.equal(reason(facts(5), facts(), { ...same, left: 'x' }), 'files-left');
  assert.equal(reason(facts(), facts(6), { ...same, left: 'x' }), 'files-left');
  assert.equal(reason(facts(5), facts(6), { ...same, changed: 'x' }), 'changed-hash');
  assert.equal(reason(facts(5), facts(1, 'quarantined'), { ...same, left: 'x' }), undefined);
  assert.equal(reason(facts(5), facts(4), { ...same, same: true }), undefined);
  assert.equal(reason(facts(5), facts(2 ** 53 - 1), same), 'serial-jump');
  assert.equal(reason(facts(2 ** 53 - 1), facts(5), same), undefined);
  assert.equal(reason(facts(2 ** 53 - 1), facts(5), { ...same, left: 'x' }), 'files-left');
});
