import assert from 'node:assert/strict';
import { test } from 'node:test';
import { STRICT_RULES } from '../../src/http-semantics/rules.ts';
import { rawProfile } from '../../src/raw/raw-service.ts';

test('a mount that names only its origin is strict, and believes the origin every word', () => {
  const profile = rawProfile({ maxBodyBytes: 1, finishAbandonedBytes: 0 });
  assert.deepEqual(profile.rules, STRICT_RULES);
  const fields = ['cache-control', 'no-store', 'cdn-cache-control', 'max-age=1'];
  for (const status of [200, 304, 404, 500]) {
    assert.equal(profile.grant({ status, fields }), fields);
    assert.equal(profile.meaning(status), 'content');
  }
});

test('stale_if_error takes the place of for ever', () => {
  assert.equal(
    rawProfile({ maxBodyBytes: 1, finishAbandonedBytes: 0, staleIfErrorSeconds: 0 }).rules.staleIfErrorSeconds,
    0,
  );
});

test('an override replaces all that speaks of caching in a 200 and the 304 that confirms it, and nothing else', () => {
  const { grant } = rawProfile({ maxBodyBytes: 1, finishAbandonedBytes: 0, overrideCacheControl: 'max-age=300' });
  const fields = [
    'etag',
    '"1"',
    'cache-control',
    'no-store',
    'expires',
    '0',
    'cdn-cache-control',
    'private',
    'pragma',
    'x',
  ];
  for (const status of [200, 304]) {
    assert.deepEqual(grant({ status, fields }), ['etag', '"1"', 'cache-control', 'max-age=300']);
  }
  assert.equal(grant({ status: 404, fields }), fields);
});
