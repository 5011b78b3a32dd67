import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRetryAfter, requestedPause } from '../../src/http-semantics/retry-after.ts';

const NOW = Date.UTC(2026, 10, 22, 12, 0, 0);

for (const [value, expected] of [
  ['120', 120_000],
  [' 0 ', 0],
  ['86400', 600_000],
  ['99999999999999999999', undefined],
  ['Sun, 22 Nov 2026 12:01:00 GMT', 60_000],
  ['Sunday, 22-Nov-26 12:01:00 GMT', 60_000],
  ['Sun, 22 Nov 2026 11:00:00 GMT', 0],
  ['-5', undefined],
  ['1.5', undefined],
  ['soon', undefined],
  ['Tomorrow 2099-01-01', undefined],
  ['Sun 2099', undefined],
  ['', undefined],
] as const) {
  test(`Retry-After: ${value || '(empty)'} means ${expected} ms`, () => {
    assert.equal(parseRetryAfter(value, NOW), expected);
  });
}

test('a 429 always asks for a pause, a 503 only when it says how long, nothing else does', () => {
  const pause = (status: number, fields: string[]) => requestedPause({ status, fields }, NOW, 0.5);
  assert.equal(pause(429, ['retry-after', '7']), 7_000);
  assert.equal(pause(429, []), 27_000);
  assert.equal(pause(429, ['retry-after', 'whenever']), 27_000);
  assert.equal(pause(503, ['retry-after', '7']), 7_000);
  assert.equal(pause(503, []), undefined);
  assert.equal(pause(500, ['retry-after', '7']), undefined);
});
