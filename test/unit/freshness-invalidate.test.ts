import assert from 'node:assert/strict';
import { test } from 'node:test';
import { invalidatedUrls } from '../../src/http-semantics/invalidate.ts';
import { get } from './freshness-fixtures.ts';

const TARGET = 'https://files.example/a/file';
const after = (method: string, status: number, fields: string[] = []) =>
  invalidatedUrls(get([], method), { status, fields });

test('a write that succeeded invalidates its target, also by a method nobody knows', () => {
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'M-SEARCH']) {
    assert.deepEqual(after(method, 200), [TARGET], method);
    assert.deepEqual(after(method, 399), [TARGET], method);
  }
});

test('a write that failed, and a safe method, invalidate nothing', () => {
  assert.deepEqual(after('POST', 500), []);
  assert.deepEqual(after('DELETE', 400), []);
  assert.deepEqual(after('DELETE', 199), []);
  for (const method of ['GET', 'HEAD', 'OPTIONS', 'TRACE']) assert.deepEqual(after(method, 200), [], method);
});

test('Location and Content-Location of the same origin are invalidated too, of another origin never', () => {
  assert.deepEqual(after('POST', 201, ['location', 'new#top', 'content-location', '/b?c=d']), [
    ...[TARGET, 'https://files.example/a/new', 'https://files.example/b?c=d'],
  ]);
  assert.deepEqual(after('POST', 201, ['location', 'https://other.example/x', 'content-location', 'http://[']), [
    TARGET,
  ]);
  assert.deepEqual(after('POST', 201, ['location', 'http://files.example/a/file']), [TARGET]);
});
