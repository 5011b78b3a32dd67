import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { routeOf } from '../../src/http/routes.ts';
import {
  addressOf,
  type FileLocation,
  fileKey,
  fileLink,
  filenameOfUrl,
  fileUrlOf,
  flattenedKey,
  locateFile,
} from '../../src/pages/file-links.ts';

const BASE = 'https://index.example/simple/demo/';

function located(link: string): FileLocation {
  const location = locateFile(link, BASE);
  assert.ok(!('unservable' in location), `${link}: ${JSON.stringify(location)}`);
  return location;
}

const urlOf = (link: string): string => located(link).url;

test('links resolve against the page', () => {
  assert.equal(urlOf('../../packages/a.whl'), 'https://index.example/packages/a.whl');
  assert.equal(urlOf('//host.example/a.whl'), 'https://host.example/a.whl');
  assert.equal(urlOf('a.whl?x=1#sha256=00'), 'https://index.example/simple/demo/a.whl?x=1');
  assert.equal(urlOf('https://H.example:443/%7Ea+b%2B!.whl'), 'https://h.example/%7Ea+b%2B!.whl');
});

test('links that cannot be served are refused', () => {
  const links = [
    'file:///etc/passwd',
    'data:,x',
    'javascript:1',
    'ftp://h.example/a.whl',
    `https://h.example/${'a'.repeat(1_900)}.whl`,
  ];
  const paths = [
    'https://h.example/..%2fb.whl',
    'https://h.example/a%2F%2e%2E%2Fb.whl',
    'https://h.example/a%5Cb.whl',
    'https://h.example/a%00.whl',
    'https://h.example/%1f',
    'https://',
  ];
  for (const link of [...links, ...paths]) assert.ok('unservable' in locateFile(link, BASE), link);
});

test('a link keeps the path verbatim and carries neither query nor fragment', () => {
  assert.equal(fileLink('https://files.example/p/a%2B1.whl'), '../../files/https/files.example/p/a%2B1.whl');
  assert.equal(fileLink('http://127.0.0.1:9101/a.whl?token=x'), '../../files/http/127.0.0.1:9101/a.whl');
  assert.equal(fileLink('https://h.example/a.whl', '../../../'), '../../../files/https/h.example/a.whl');
  assert.equal(
    fileLink('https://h.example/a.whl', 'https://us.example/'),
    'https://us.example/files/https/h.example/a.whl',
  );
});

test('a link leads back to the URL it was made of', () => {
  for (const url of [
    'https://files.example/p//a%2B1!~%25(2).whl',
    'http://127.0.0.1:9101/a+b.whl',
    'http://[::1]:8080/a.zip',
  ]) {
    const [, , scheme, authority, ...path] = new URL(fileLink(url), 'http://us.example/simple/x/').pathname.split('/');
    assert.equal(fileUrlOf(scheme!, authority!, `/${path.join('/')}`), url);
  }
});

test('user information leaves the URL and is kept beside it, for the upstream client alone', () => {
  for (const [link, userInfo] of [
    ['https://u:p%40ss@h.example/a.whl?x=1', 'u:p%40ss'],
    ['https://token@h.example/a.whl?x=1', 'token:'],
    ['https://:$&@h.example/a.whl?x=1', ':$&'],
  ] as const) {
    const location = located(link);
    assert.deepEqual(location, { url: 'https://h.example/a.whl?x=1', userInfo });
    assert.equal(new URL(addressOf(location)).href, new URL(`https://${userInfo}@h.example/a.whl?x=1`).href);
    assert.equal(fileLink(location.url), '../../files/https/h.example/a.whl');
  }
});

/** Paths of every kind that has been seen in links, and pieces of others. */
const piece = fc.oneof(
  fc.constantFrom(
    '%2F',
    '%2f',
    '//',
    '/',
    '%3F',
    '%23',
    ';',
    ';v=1',
    '%20',
    ' ',
    'é',
    '%C3%A9',
    '%E9',
    '🐍',
    '+',
    '%2B',
    '@',
    ':',
    '%25',
    '%',
    '~',
    '%7E',
    '(1)',
    "'",
    '&',
    '=',
    '[',
    '!',
    ',',
    '*',
    '..',
    '.',
  ),
  fc.string({ maxLength: 6 }),
);
const path = fc.array(piece, { maxLength: 12 }).map((pieces) => `/${pieces.join('')}/demo-1.0.tar.gz`);

/** As urllib joins a path (pip): slashes that follow one another become one. */
const joinedByPython = (target: string): string => target.replace(/\/{2,}/g, '/');

test('every link that we write leads back to exactly the URL that it stands for, also by way of Python and nginx', () => {
  let served = 0;
  fc.assert(
    fc.property(path, fc.constantFrom('', '?sig=1', '?a=b/../c'), (given, query) => {
      const location = locateFile(`https://u:p@files.example:8443${given}${query}`, BASE);
      if ('unservable' in location) return;
      served += 1;
      const page = new URL('http://us.example/simple/demo/');
      const target = new URL(fileLink(location.url), page).pathname;
      const read = (text: string): string => {
        const route = routeOf(text, new Set());
        assert.equal(route.kind, 'file');
        const { scheme, authority, rawPath } = route as Extract<typeof route, { kind: 'file' }>;
        const url = fileUrlOf(scheme, authority, rawPath);
        assert.ok(url !== undefined, text);
        return url;
      };
      assert.equal(read(target), location.url.replace(/\?.*$/, ''));
      assert.equal(fileKey(read(target)), fileKey(location.url));
      assert.equal(filenameOfUrl(read(target)), filenameOfUrl(location.url));
      for (const sent of [joinedByPython(target), joinedByPython(target.replaceAll(/%2f/gi, '/'))]) {
        assert.equal(flattenedKey(fileKey(read(sent))), flattenedKey(fileKey(location.url)));
        assert.equal(filenameOfUrl(read(sent)), filenameOfUrl(location.url));
      }
    }),
    { numRuns: 500 },
  );
  assert.ok(served > 250, `${served} of 500 served`);
});

test('an escaped authority, as pip sends it, is understood', () => {
  assert.equal(fileUrlOf('http', '127.0.0.1%3A9101', '/a.whl'), 'http://127.0.0.1:9101/a.whl');
  assert.equal(fileUrlOf('http', '%5B::1%5D%3a9101', '/a.whl'), 'http://[::1]:9101/a.whl');
});

test('requests outside the grammar name no file', () => {
  const wrong: readonly [string, string, string][] = [
    ['ftp', 'h.example', '/a.whl'],
    ['HTTPS', 'h.example', '/a.whl'],
    ['https', 'u@h.example', '/a.whl'],
    ['https', 'h.example:443', '/a.whl'],
    ['https', 'h.example:99999', '/a.whl'],
    ['https', '2130706433', '/a.whl'],
    ['https', '127.1', '/a.whl'],
    ['https', '', '/a.whl'],
    ['https', '..', '/a.whl'],
    ['https', 'h.example%2f', '/a.whl'],
    ['https', 'h.example', 'a.whl'],
    ['https', 'h.example', ''],
    ...[
      '/../a',
      '/a/..',
      '/./a',
      '/%2e%2e/a',
      '/.%2E/a',
      '/%2e',
      '/..%2fb',
      '/a%2F..%2Fb',
      '/a%2f.',
      '/a%5cb',
      '/a\\b',
      '/a%00',
      '/a%0d%0ab',
      '/a b',
      '/ä',
      '/a?b',
      '/a#b',
    ].map((path): [string, string, string] => ['https', 'h.example', path]),
  ];
  for (const [scheme, authority, path] of wrong) {
    assert.equal(fileUrlOf(scheme, authority, path), undefined, `${scheme} ${authority} ${path}`);
  }
});

test('every spelling of one file has the same key, and + is never a space', () => {
  const key = (path: string): string => fileKey(`https://h.example/${path}`);
  assert.equal(key('a+b.whl'), key('a%2Bb.whl'));
  assert.equal(key('a+b.whl'), key('a%2bb.whl'));
  assert.equal(key('1!2.whl'), key('1%212.whl'));
  assert.equal(key('%7Ea.whl'), key('~a.whl'));
  assert.equal(key('%41.whl'), key('A.whl'));
  assert.equal(key("(a)'*.whl"), key('%28a%29%27%2A.whl'));
  assert.equal(key('100%.whl'), key('100%25.whl'));
  assert.equal(key("'%.whl"), key('%27%25.whl'));
  assert.equal(key('%e4%2b.whl'), key('%E4+.whl'));
  assert.equal(key('a.whl?x=1'), key('a.whl'));
  assert.notEqual(key('a+b.whl'), key('a%20b.whl'));
  assert.notEqual(key('a%2525.whl'), key('a%25.whl'));
  assert.notEqual(key('a/b.whl'), key('ab.whl'));
  assert.notEqual(fileKey('http://h.example/a.whl'), fileKey('https://h.example/a.whl'));
});

test('the file name is the last segment, unescaped where that is possible', () => {
  assert.equal(filenameOfUrl('https://h.example/p/demo-1%2Bcu.whl?x=/y#z'), 'demo-1+cu.whl');
  assert.equal(filenameOfUrl('https://h.example/p/demo-1+cu%ff.whl'), 'demo-1+cu%ff.whl');
  assert.equal(filenameOfUrl('https://h.example/p%2Fdemo-1.whl'), 'demo-1.whl');
  assert.equal(filenameOfUrl('https://h.example/p/'), '');
});

test('a hostile path costs linear time', () => {
  const started = performance.now();
  const path = `/${'%2'.repeat(100_000)}${'/%2e%2e%2e'.repeat(50_000)}`;
  fileUrlOf('https', 'h.example', path);
  fileKey(`https://h.example${path}`);
  fileUrlOf('https', 'a.'.repeat(100_000), '/');
  assert.ok(performance.now() - started < 1000);
});
