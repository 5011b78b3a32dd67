import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StoredHead } from '../../src/http-semantics/rules.ts';
import { staleAllowed, type UpstreamTrouble } from '../../src/http-semantics/stale.ts';
import { NOON, PLAIN, stored } from './freshness-fixtures.ts';

const DAY = 86_400;
const DISCONNECTED: UpstreamTrouble = { kind: 'disconnected' };
const SLOW: UpstreamTrouble = { kind: 'slow' };
const status = (code: number): UpstreamTrouble => ({ kind: 'status', status: code });

const NO_ERROR_BY_RFC_5861: readonly UpstreamTrouble[] = [SLOW, status(429), status(507)];

/** Whether a response with this Cache-Control may stand in `seconds` after noon under a contract of N seconds. */
function allowed(
  cacheControl: string,
  trouble: UpstreamTrouble,
  seconds: number,
  contract: number,
  changes: Partial<StoredHead> = {},
): boolean {
  const response = stored(['cache-control', cacheControl], changes);
  return staleAllowed(response, trouble, NOON + seconds * 1000, { ...PLAIN, staleIfErrorSeconds: contract });
}

test('under a contract of seven days a copy stands in up to the last second of the seventh day', () => {
  for (const trouble of [DISCONNECTED, SLOW, status(500), status(502), status(503), status(504), status(429)]) {
    assert.equal(allowed('max-age=60', trouble, 60 + 7 * DAY - 1, 7 * DAY), true);
    assert.equal(allowed('max-age=60', trouble, 60 + 7 * DAY, 7 * DAY), false);
  }
});

test('an unlimited contract never ends', () => {
  assert.equal(allowed('max-age=60', DISCONNECTED, 100 * 365 * DAY, Infinity), true);
});

test('without a contract only what the origin granted stands in, and only for errors', () => {
  assert.equal(allowed('max-age=60', DISCONNECTED, 61, 0), false);
  for (const trouble of [DISCONNECTED, status(500), status(502), status(503), status(504)]) {
    assert.equal(allowed('max-age=60, stale-if-error=30', trouble, 89, 0), true);
    assert.equal(allowed('max-age=60, stale-if-error=30', trouble, 90, 0), false);
  }
  for (const trouble of NO_ERROR_BY_RFC_5861) {
    assert.equal(allowed('max-age=60, stale-if-error=30', trouble, 61, 0), false);
  }
});

test('contract and grant stand side by side: the longer one counts', () => {
  assert.equal(allowed('max-age=60, stale-if-error=30', DISCONNECTED, 200, 300), true);
  assert.equal(allowed('max-age=60, stale-if-error=300', DISCONNECTED, 200, 30), true);
});

test('no trouble and no contract lets a response be stale that forbids it', () => {
  const directives = ['must-revalidate', 'proxy-revalidate', 's-maxage=60', 'no-cache', 'private', 'no-store'];
  const troubles: readonly UpstreamTrouble[] = [DISCONNECTED, SLOW, status(503)];
  for (const directive of directives) {
    for (const trouble of troubles) {
      assert.equal(allowed(`max-age=60, stale-if-error=9999, ${directive}`, trouble, 61, Infinity), false, directive);
    }
  }
});

test('an answer about the resource itself is never masked', () => {
  for (const code of [400, 401, 403, 404, 410, 451, 301, 200]) {
    assert.equal(allowed('max-age=60, stale-if-error=9999', status(code), 61, Infinity), false, String(code));
    assert.equal(allowed('max-age=60', status(code), 1, Infinity), false, String(code));
  }
});

test('a stored error never stands in for a failure', () => {
  for (const stale of [400, 404, 410, 500, 503]) {
    assert.equal(allowed('max-age=60', DISCONNECTED, 61, Infinity, { status: stale }), false, String(stale));
  }
});

test('a copy that is still fresh stands in when only the request asked upstream', () => {
  assert.equal(allowed('max-age=60, must-revalidate', DISCONNECTED, 30, 0), true);
  assert.equal(allowed('max-age=60, no-cache', DISCONNECTED, 30, 0), false);
});
