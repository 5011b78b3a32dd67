import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestFields, responseFields } from '../../src/http/forwarded-fields.ts';

test('what Connection names is for one hop, but it cannot take the length away', () => {
  const raw = ['Connection', 'X-A, close, Content-Length', 'X-A', '1', 'Content-Length', '5', 'X-B', '2'];
  assert.deepEqual(responseFields(raw, 'raw'), ['Content-Length', '5', 'X-B', '2']);
});

test("an earlier proxy's Via stays before ours", () => {
  assert.deepEqual(requestFields(['Via', '1.1 first'], 'raw', '1.1 wheelkeep'), [
    'Via',
    '1.1 first',
    'Via',
    '1.1 wheelkeep',
  ]);
});
