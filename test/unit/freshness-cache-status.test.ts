import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cacheStatus } from '../../src/http-semantics/cache-status.ts';

test('a hit says so, with the freshness left, also when it is gone', () => {
  assert.equal(cacheStatus({ hit: true }), 'wheelkeep; hit');
  assert.equal(cacheStatus({ hit: true, ttl: 57 }), 'wheelkeep; hit; ttl=57');
  assert.equal(
    cacheStatus({ hit: true, ttl: -3, detail: 'stale-if-error' }),
    'wheelkeep; hit; ttl=-3; detail=stale-if-error',
  );
});

test('a forwarded request tells the reason and what became of the answer', () => {
  assert.equal(
    cacheStatus({ fwd: 'stale', fwdStatus: 503, stored: false, collapsed: true, detail: 'stale-if-error' }),
    'wheelkeep; fwd=stale; fwd-status=503; collapsed; detail=stale-if-error',
  );
  assert.equal(cacheStatus({ fwd: 'uri-miss', stored: true, ttl: 60 }), 'wheelkeep; fwd=uri-miss; stored; ttl=60');
});

test('whatever is passed, the member is a valid structured field', () => {
  assert.equal(cacheStatus({ hit: true, ttl: 1.9 }), 'wheelkeep; hit; ttl=1');
  assert.equal(cacheStatus({ hit: true, ttl: -0.5 }), 'wheelkeep; hit; ttl=0');
  assert.equal(cacheStatus({ hit: true, ttl: Number.NaN }), 'wheelkeep; hit; ttl=0');
  assert.equal(cacheStatus({ hit: true, ttl: -Infinity }), 'wheelkeep; hit; ttl=-999999999999999');
  assert.equal(
    cacheStatus({ hit: true, detail: 'two "words"\\\né' }),
    'wheelkeep; hit; detail="two \\"words\\"\\\\??"',
  );
});
