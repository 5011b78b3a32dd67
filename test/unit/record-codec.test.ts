// Stored records are read without trust: whatever bytes lie there, the answer is a record, or not.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeRecord, encodeRecord } from '../../src/store/entries/record-codec.ts';
import { pageRecord } from '../contract/entry-store.contract.ts';

const KINDS = ['record', 'newer', 'damaged'];
const TEXT = encodeRecord(pageRecord(1));

test('a record survives writing and reading, and comes back frozen', () => {
  const decoded = decodeRecord(TEXT);
  assert.equal(decoded.kind, 'record');
  assert.deepEqual(decoded.kind === 'record' && decoded.record, pageRecord(1));
  assert.ok(decoded.kind === 'record' && Object.isFrozen(decoded.record.variants[0]?.body));
});

test('that a stored response is outdated is not forgotten', () => {
  const record = pageRecord(1);
  const decoded = decodeRecord(
    encodeRecord({ ...record, variants: record.variants.map((variant) => ({ ...variant, outdated: true })) }),
  );
  assert.equal(decoded.kind === 'record' && decoded.record.variants[0]?.outdated, true);
});

test('any text gives an answer and never an error', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => assert.ok(KINDS.includes(decodeRecord(text).kind))),
    { numRuns: 500 },
  );
});

test('any JSON value in the place of any field gives an answer, and what passes can be written and read again', () => {
  const paths = pathsOf(JSON.parse(TEXT));
  fc.assert(
    fc.property(fc.constantFrom(...paths), fc.jsonValue(), (path, value) => {
      const decoded = decodeRecord(JSON.stringify(replaced(JSON.parse(TEXT), path, value)));
      assert.ok(KINDS.includes(decoded.kind));
      if (decoded.kind === 'record') assert.deepEqual(decodeRecord(encodeRecord(decoded.record)), decoded);
    }),
    { numRuns: 2000 },
  );
});

test('a record without any one of its required fields is damaged', () => {
  for (const field of ['status', 'fields', 'url', 'requestTime', 'responseTime', 'varying', 'source']) {
    const record = JSON.parse(TEXT);
    delete record.variants[0][field];
    assert.equal(decodeRecord(JSON.stringify(record)).kind, 'damaged', field);
  }
});

test('a later format is told from damage, because it is not ours to delete', () => {
  assert.equal(decodeRecord('{"format":2}').kind, 'newer');
  for (const format of ['0', '-1', '1.5', '"2"', 'null', '1e999']) {
    assert.equal(decodeRecord(`{"format":${format},"variants":[]}`).kind, 'damaged', format);
  }
});

test('names of prototypes and bottomless nesting are damage, not surprises', () => {
  assert.equal(decodeRecord('{"__proto__":{"format":1,"variants":[]}}').kind, 'damaged');
  assert.equal(decodeRecord(`{"format":1,"variants":[],"doubt":{"__proto__":{"claim":""}}}`).kind, 'damaged');
  const deep = TEXT.replace('"facts":', `"facts":${'['.repeat(50_000)}${']'.repeat(50_000)},"was":`);
  assert.equal(decodeRecord(deep).kind, 'damaged');
});

type Path = readonly (string | number)[];

function pathsOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, inner]) => pathsOf(inner, [...path, key]))];
}

function replaced(root: unknown, path: Path, value: unknown): unknown {
  if (path.length === 0) return value;
  let holder = root as Record<string | number, unknown>;
  for (const key of path.slice(0, -1)) holder = holder[key] as Record<string | number, unknown>;
  holder[path.at(-1)!] = value;
  return root;
}
