import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { BadRequest, NotFound } from '../../src/core/errors.ts';
import { routeOf } from '../../src/http/routes.ts';

const INDEXES = new Set(['internal']);
const route = (target: string) => routeOf(target, INDEXES);
const none = undefined;

it('targets lead to what is served there', () => {
  const plays: Readonly<Record<string, unknown>> = {
    '/simple/': { kind: 'list', index: none, format: none },
    '/simple/foo/': { kind: 'detail', index: none, project: 'foo', format: none },
    '/simple/foo/?format=x&y=z': { kind: 'detail', index: none, project: 'foo', format: 'x' },
    '/simple/foo/?y=z': { kind: 'detail', index: none, project: 'foo', format: none },
    '/internal/simple/': { kind: 'list', index: 'internal', format: none },
    '/internal/simple/foo/': { kind: 'detail', index: 'internal', project: 'foo', format: none },
    'http://any.example/simple/foo/': { kind: 'detail', index: none, project: 'foo', format: none },
    '/files/https/files.example/a/b%2Bc.whl': {
      kind: 'file',
      index: none,
      scheme: 'https',
      authority: 'files.example',
      rawPath: '/a/b%2Bc.whl',
    },
    '/internal/files/http/127.0.0.1:9/a.whl': {
      kind: 'file',
      index: 'internal',
      scheme: 'http',
      authority: '127.0.0.1:9',
      rawPath: '/a.whl',
    },
    '/raw/builds/a/../b?c=%2e': { kind: 'raw', mount: 'builds', rest: 'a/../b?c=%2e' },
    '/metrics': { kind: 'metrics' },
    '/metrics?name=x': { kind: 'metrics' },
    '/-/live': { kind: 'live' },
    '/-/ready': { kind: 'ready' },
    '/legacy/': { kind: 'upload', index: undefined },
    '/legacy': { kind: 'upload', index: undefined },
    '/pypi': { kind: 'xml-rpc' },
    '/': { kind: 'status' },
    'http://any.example': { kind: 'status' },
  };
  for (const [target, expected] of Object.entries(plays)) assert.deepEqual(route(target), expected, target);
});

it('other spellings are redirected, relatively and with their query', () => {
  const plays: Readonly<Record<string, readonly [string, 'list' | 'page']>> = {
    '/simple': ['simple/', 'list'],
    '/simple?a=b': ['simple/?a=b', 'list'],
    '/simple/foo': ['foo/', 'page'],
    '/simple/Foo.Bar?a=//b': ['foo-bar/?a=//b', 'page'],
    '/simple/Foo.Bar/?a': ['../foo-bar/?a', 'page'],
    '/simple/%66oo/': ['../foo/', 'page'],
    '/internal/simple/FOO/': ['../foo/', 'page'],
  };
  for (const [target, [location, of]] of Object.entries(plays)) {
    assert.deepEqual(route(target), { kind: 'redirect', location, of }, target);
  }
});

it('what no route takes is not found, what is no path is a bad request', () => {
  const missing = [
    '/nothing',
    '/simple//',
    '/simple/a/b',
    '/simple/../',
    '/simple/-a/',
    '/other/simple/',
    '/raw/x',
    '//',
  ];
  for (const target of [...missing, '/files/https/host', '/simple/a%2Fb/', '/Simple/', `/simple/${'a'.repeat(201)}/`]) {
    assert.throws(() => route(target), NotFound, target);
  }
  const malformed = [
    '',
    'x',
    '*',
    'host:443',
    'ftp://host/simple/',
    'http:///simple/',
    '/simple/%/',
    '/simple/\\',
    '/a b',
  ];
  for (const target of [...malformed, '/simple/\u00e9/', '/simple/\u0001/', `/simple/?${'a'.repeat(2048)}`]) {
    assert.throws(() => route(target), BadRequest, target);
  }
});

it('any text is a route, not found or a bad request, and a name that gets through is a normal one', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      '/',
      '/simple/',
      '/files/',
      '/raw/',
      '..',
      '.',
      '%2e',
      '%2f',
      '%00',
      '?',
      '#',
      '\\',
      'http://',
      'internal',
    ),
    fc.string({ unit: 'binary', maxLength: 8 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      const target = pieces.join('');
      try {
        const found = route(target);
        if (found.kind === 'detail') assert.match(found.project, /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/);
        if (found.kind === 'redirect') assert.match(found.location, /^(?:\.\.\/)?[a-z0-9-]+\/(?:\?|$)/);
      } catch (error) {
        assert.ok(error instanceof NotFound || error instanceof BadRequest, String(error));
      }
    }),
    { numRuns: 500 },
  );
});
