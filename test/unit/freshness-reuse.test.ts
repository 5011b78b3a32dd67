import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Fields } from '../../src/core/http-message.ts';
import { verdict } from '../../src/http-semantics/reuse.ts';
import { type CacheRules, STRICT_RULES, type StoredHead } from '../../src/http-semantics/rules.ts';
import { get, NOON, PLAIN, stored } from './freshness-fixtures.ts';

/** The verdict on one stored response `seconds` after noon, in a word or two. */
function judged(cacheControl: string, seconds: number, asked = '', rules: CacheRules = PLAIN): string {
  const fields: Fields = asked === '' ? [] : ['cache-control', asked];
  return words(get(fields), [stored(['cache-control', cacheControl])], seconds, rules);
}

function words(request: ReturnType<typeof get>, variants: StoredHead[], seconds: number, rules: CacheRules): string {
  const decided = verdict(request, variants, NOON + seconds * 1000, rules);
  return 'forward' in decided ? `${decided.kind} ${decided.forward}` : decided.kind;
}

test('a response is used while fresh and revalidated afterwards', () => {
  assert.equal(judged('max-age=60', 59), 'fresh');
  assert.equal(judged('max-age=60', 60), 'revalidate stale');
});

test('a HEAD is answered as a GET, other methods go upstream', () => {
  const variants = [stored(['cache-control', 'max-age=60'])];
  assert.equal(words(get([], 'HEAD'), variants, 1, PLAIN), 'fresh');
  assert.equal(words(get([], 'POST'), variants, 1, PLAIN), 'miss method');
});

test('a miss tells an unknown URL from an unknown variant', () => {
  assert.equal(words(get(), [], 0, PLAIN), 'miss uri-miss');
  const other = stored(['vary', 'foo', 'cache-control', 'max-age=60'], {}, ['foo', '1']);
  assert.equal(words(get(), [other], 0, PLAIN), 'miss vary-miss');
});

test('no-cache is validated although fresh', () => {
  assert.equal(judged('max-age=60, no-cache', 1), 'revalidate stale');
  assert.equal(judged('max-age=60, no-cache="set-cookie"', 1), 'fresh');
});

test('a stored response that a 304 made private or no-store is not used any more', () => {
  assert.equal(judged('max-age=60, private', 1), 'miss uri-miss');
  assert.equal(judged('max-age=60, no-store', 1), 'miss uri-miss');
});

test('stale-while-revalidate serves within its window and not a second longer', () => {
  assert.equal(judged('max-age=1, stale-while-revalidate=4', 4), 'stale-while-revalidate');
  assert.equal(judged('max-age=1, stale-while-revalidate=4', 5), 'revalidate stale');
});

test('stale-while-revalidate never overrides a directive that forbids staleness', () => {
  for (const directive of ['must-revalidate', 'proxy-revalidate', 's-maxage=1']) {
    assert.equal(judged(`max-age=1, stale-while-revalidate=100, ${directive}`, 2), 'revalidate stale', directive);
  }
  assert.equal(judged('no-cache, max-age=1, stale-while-revalidate=100', 2), 'revalidate stale');
});

test("a request's max-age, min-fresh and no-cache ask for a validation", () => {
  assert.equal(judged('max-age=60', 10, 'max-age=9'), 'revalidate request');
  assert.equal(judged('max-age=60', 10, 'max-age=10'), 'fresh');
  assert.equal(judged('max-age=60', 10, 'min-fresh=51'), 'revalidate request');
  assert.equal(judged('max-age=60', 10, 'min-fresh=50'), 'fresh');
  assert.equal(judged('max-age=60', 10, 'no-cache'), 'revalidate request');
  assert.equal(judged('max-age=60', 10, 'no-store'), 'miss request');
});

test("a request's max-stale accepts staleness where the response does not forbid it", () => {
  assert.equal(judged('max-age=1', 10, 'max-stale=9'), 'fresh');
  assert.equal(judged('max-age=1', 10, 'max-stale=8'), 'revalidate stale');
  assert.equal(judged('max-age=1', 10, 'max-stale'), 'fresh');
  assert.equal(judged('max-age=1, must-revalidate', 10, 'max-stale'), 'revalidate stale');
  assert.equal(judged('max-age=1', 10, 'max-stale, max-age=5'), 'revalidate stale');
});

test('a client that limits the age waits for the revalidation that others get in the background', () => {
  assert.equal(judged('max-age=1, stale-while-revalidate=100', 10, 'max-age=0'), 'revalidate stale');
});

test('an immutable response is not validated for a reload while fresh, but for no-cache and once stale', () => {
  assert.equal(judged('max-age=60, immutable', 10, 'max-age=0'), 'fresh');
  assert.equal(judged('max-age=60, immutable', 10, 'no-cache'), 'revalidate request');
  assert.equal(judged('max-age=60, immutable', 60, ''), 'revalidate stale');
});

test('where requests are ignored only only-if-cached counts', () => {
  const ignoring: CacheRules = { ...STRICT_RULES, requestDirectives: 'ignore' };
  for (const asked of ['max-age=0', 'no-cache', 'no-store', 'min-fresh=100']) {
    assert.equal(judged('max-age=60', 10, asked, ignoring), 'fresh', asked);
  }
  assert.equal(judged('max-age=60', 61, 'max-stale', ignoring), 'revalidate stale');
  assert.equal(judged('max-age=60', 61, 'only-if-cached', ignoring), 'unavailable');
});

test('only-if-cached gets what is stored and usable, else 504', () => {
  assert.equal(words(get(['cache-control', 'only-if-cached']), [], 0, PLAIN), 'unavailable');
  assert.equal(judged('max-age=60', 10, 'only-if-cached'), 'fresh');
  assert.equal(judged('max-age=60', 70, 'only-if-cached, max-stale'), 'fresh');
  assert.equal(judged('max-age=1, stale-while-revalidate=9', 5, 'only-if-cached'), 'stale-while-revalidate');
});

test('Pragma changes nothing', () => {
  const variants = [stored(['cache-control', 'max-age=60', 'pragma', 'no-cache'])];
  assert.equal(words(get(['pragma', 'no-cache']), variants, 1, PLAIN), 'fresh');
});
