import assert from 'node:assert/strict';
import { test } from 'node:test';
import { negotiateCoding, negotiateFormat } from '../../src/pages/negotiate.ts';

const JSON_TYPE = 'application/vnd.pypi.simple.v1+json';
const HTML_TYPE = 'application/vnd.pypi.simple.v1+html';

function expectFormats(cases: readonly [accept: string | undefined, format: string][]): void {
  for (const [accept, format] of cases) assert.equal(negotiateFormat(accept), format, String(accept));
}

test('installers get the format they like best', () => {
  expectFormats([
    [`${JSON_TYPE}, ${HTML_TYPE}; q=0.1, text/html; q=0.01`, 'json'],
    [`${JSON_TYPE}, ${HTML_TYPE};q=0.2, text/html;q=0.01`, 'json'],
    [`${JSON_TYPE}, */*;q=0.1`, 'json'],
    ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'html'],
    [`text/html;q=0.3, ${HTML_TYPE};q=0.7`, 'v1-html'],
  ]);
});

test('no Accept, full wildcards, text/* and garbage mean text/html', () => {
  expectFormats([
    [undefined, 'html'],
    ['', 'html'],
    ['*/*', 'html'],
    ['*/*;q=0.1', 'html'],
    ['text/*', 'html'],
    [';;,,q=1', 'html'],
    ['application/json', 'html'],
    ['image/png', 'html'],
    [`${JSON_TYPE};q=2`, 'html'],
    [`${JSON_TYPE};q=abc`, 'html'],
  ]);
});

test('on a tie JSON comes before v1+html before text/html, whatever the order', () => {
  expectFormats([
    [`text/html, ${HTML_TYPE}, ${JSON_TYPE}`, 'json'],
    [`text/html, ${HTML_TYPE}`, 'v1-html'],
    [`*/*, ${JSON_TYPE}`, 'json'],
    ['application/*', 'json'],
    ['text/*, application/*', 'json'],
    ['text/html, */*', 'html'],
  ]);
});

test('q=0 excludes', () => {
  expectFormats([
    [`${JSON_TYPE};q=0, text/html`, 'html'],
    [`${JSON_TYPE};q=0, application/*`, 'v1-html'],
    [`${JSON_TYPE};q=0.0, */*`, 'html'],
  ]);
  assert.equal(negotiateFormat(`${JSON_TYPE};q=0`, undefined, true), 'none');
  assert.equal(negotiateFormat('text/html;q=0, */*', undefined, true), 'v1-html');
});

test('the latest types are answered with version 1, in any case of letters', () => {
  expectFormats([
    ['application/vnd.pypi.simple.latest+json', 'json'],
    ['application/vnd.pypi.simple.latest+html', 'v1-html'],
    ['APPLICATION/VND.PyPI.Simple.V1+JSON ; Q=0.5', 'json'],
    ['application/vnd.pypi.simple.v2+json', 'html'],
  ]);
});

test('nothing acceptable is none in strict mode only', () => {
  assert.equal(negotiateFormat('image/png', undefined, true), 'none');
  assert.equal(negotiateFormat('image/png', undefined, false), 'html');
  assert.equal(negotiateFormat(undefined, undefined, true), 'html');
});

test('a known format parameter wins over Accept, decoded or not, and an unknown one is ignored', () => {
  assert.equal(negotiateFormat('text/html', JSON_TYPE), 'json');
  assert.equal(negotiateFormat('text/html', JSON_TYPE.replace('+', ' ')), 'json');
  assert.equal(negotiateFormat(JSON_TYPE, 'text/html'), 'html');
  assert.equal(negotiateFormat(JSON_TYPE, HTML_TYPE), 'v1-html');
  for (const format of ['', 'json', 'constructor', '__proto__'])
    assert.equal(negotiateFormat(JSON_TYPE, format), 'json');
});

test('the content coding with the highest weight wins, zstd on a tie where it is named', () => {
  const cases: readonly [string | undefined, string][] = [
    [undefined, 'identity'],
    ['', 'identity'],
    ['identity', 'identity'],
    ['gzip, deflate', 'gzip'],
    ['gzip, deflate, br', 'gzip'],
    ['gzip, deflate, zstd', 'zstd'],
    ['gzip;q=1, zstd;q=0.9', 'gzip'],
    ['gzip;q=0.5, zstd;q=0.5', 'zstd'],
    ['*', 'gzip'],
    ['*;q=0', 'identity'],
    ['x-gzip', 'gzip'],
    ['GZIP', 'gzip'],
    ['identity, gzip;q=0.5', 'identity'],
    ['gzip;q=0, br, zstd, identity;q=0', 'zstd'],
    ['gzip;q=0', 'identity'],
    ['gzip;q=0, *', 'identity'],
    ['br', 'identity'],
    ['identity;q=0', 'identity'],
    ['zstd;q=0, gzip;q=0.001', 'gzip'],
  ];
  for (const [field, coding] of cases) assert.equal(negotiateCoding(field), coding, String(field));
});
