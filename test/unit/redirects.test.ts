import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nextHop } from '../../src/net/redirects.ts';

function hop(
  location: string | undefined,
  visited = ['https://index.example/simple/a/'],
  status = 302,
): string | undefined {
  const fields = location === undefined ? [] : ['location', location];
  const urls = visited.map((url) => new URL(url));
  return nextHop({ status, fields }, urls, (_from, to) => !to.host.startsWith('evil'))?.href;
}

test('a location is resolved against the URL that sent it, without its fragment', () => {
  assert.equal(hop('../b/#top'), 'https://index.example/simple/b/');
  assert.equal(hop('//mirror.example/x'), 'https://mirror.example/x');
});

test('answers that are no redirects, or name no place, are final', () => {
  for (const status of [200, 300, 304, 404]) assert.equal(hop('/x', undefined, status), undefined);
  assert.equal(hop(undefined), undefined);
});

for (const [why, location, visited] of [
  ['from https to http', 'http://index.example/x', undefined],
  ['to a file', 'file:///etc/passwd', undefined],
  ['to a URL with credentials', 'https://user:secret@index.example/', undefined],
  ['to where it came from', '/a/', ['https://index.example/a/', 'https://index.example/b/']],
  ['to itself', '/a/', ['https://index.example/a/']],
  ['to a host that is not allowed', 'https://evil.example/', undefined],
  ['to no URL at all', 'https://[', undefined],
  ['a sixth time', '/7', [1, 2, 3, 4, 5, 6].map((n) => `https://index.example/${n}`)],
] as const) {
  test(`a redirect ${why} is refused`, () => {
    assert.throws(() => hop(location, visited as string[] | undefined), { kind: 'redirect' });
  });
}

test('five hops are allowed, and http may lead to https or to http', () => {
  assert.ok(
    hop(
      '/6',
      [1, 2, 3, 4, 5].map((n) => `https://index.example/${n}`),
    ),
  );
  assert.ok(hop('https://index.example/b', ['http://index.example/a']));
  assert.ok(hop('/b', ['http://index.example/a']));
});
