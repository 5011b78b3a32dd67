// What must hold of the freshness functions for any input, found by generating it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { currentAgeSeconds } from '../../src/http-semantics/age.ts';
import {
  parseDirectives,
  readRequestDirectives,
  readResponseDirectives,
} from '../../src/http-semantics/cache-control.ts';
import { cacheStatus, type ForwardReason } from '../../src/http-semantics/cache-status.ts';
import { parseHttpDate } from '../../src/http-semantics/http-date.ts';
import { listMembers } from '../../src/http-semantics/list-syntax.ts';
import { verdict } from '../../src/http-semantics/reuse.ts';
import { type CacheRules, STRICT_RULES, type StoredHead } from '../../src/http-semantics/rules.ts';
import { staleAllowed } from '../../src/http-semantics/stale.ts';
import { storable, storedFields } from '../../src/http-semantics/storable.ts';
import { parseDictionary } from '../../src/http-semantics/targeted.ts';
import { freshen } from '../../src/http-semantics/validate.ts';
import { selectVariant } from '../../src/http-semantics/vary.ts';
import { get, httpDate, NOON, stored } from './freshness-fixtures.ts';

const anyText = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: fc.constantFrom(...'a=",;\\ \t1-*()?@:%') }));

test('no string makes a parser throw', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const directives = parseDirectives(text);
      readResponseDirectives(directives);
      readRequestDirectives(directives);
      parseDictionary(text);
      parseHttpDate(text, NOON);
      listMembers(text);
    }),
    { numRuns: 2000 },
  );
});

test('no response makes a decision throw', () => {
  const names = ['cache-control', 'cdn-cache-control', 'vary', 'etag', 'last-modified', 'expires', 'date', 'age'];
  const fields = fc.array(fc.tuple(fc.constantFrom(...names, 'connection'), anyText)).map((pairs) => pairs.flat());
  fc.assert(
    fc.property(fields, fields, fc.integer({ min: 100, max: 599 }), (mine, theirs, status) => {
      const response = stored(mine, { status });
      storable(get(theirs), response, STRICT_RULES);
      storedFields(response);
      verdict(get(theirs), [response], NOON, STRICT_RULES);
      staleAllowed(response, { kind: 'disconnected' }, NOON, STRICT_RULES);
      freshen(response, stored(theirs));
    }),
  );
});

test('directives survive any order, case, quoting and whitespace between them', () => {
  const name = fc.constantFrom('max-age', 's-maxage', 'stale-if-error', 'stale-while-revalidate');
  const lifetimes = fc.uniqueArray(fc.tuple(name, fc.nat(), fc.boolean(), fc.boolean()), { selector: ([key]) => key });
  fc.assert(
    fc.property(lifetimes, fc.constantFrom(', ', ',', ' ,\t', ',,'), (parts, separator) => {
      const text = parts
        .map(([key, seconds, quoted, shouted]) => {
          const argument = quoted ? `"${seconds}"` : String(seconds);
          return `${shouted ? key.toUpperCase() : key}=${argument}`;
        })
        .join(separator);
      const read = readResponseDirectives(parseDirectives(text));
      const expected = new Map(parts.map(([key, seconds]) => [key, seconds]));
      assert.equal(read.maxAge, expected.get('max-age'));
      assert.equal(read.sMaxage, expected.get('s-maxage'));
      assert.equal(read.staleIfError, expected.get('stale-if-error') ?? 0);
      assert.equal(read.staleWhileRevalidate, expected.get('stale-while-revalidate') ?? 0);
    }),
  );
});

test('every instant is read back from an HTTP date', () => {
  fc.assert(
    fc.property(fc.date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true }), (date) => {
      const seconds = Math.floor(date.getTime() / 1000) * 1000;
      assert.equal(parseHttpDate(date.toUTCString(), NOON), seconds);
    }),
  );
});

const times = fc.record({
  received: fc.nat({ max: 10 ** 7 }),
  dateOffset: fc.integer({ min: -(10 ** 6), max: 10 ** 6 }),
  delayMs: fc.nat({ max: 10 ** 6 }),
  residentMs: fc.integer({ min: -(10 ** 6), max: 10 ** 9 }),
});

test('the age is never negative, never below a valid received Age, never above what has passed', () => {
  fc.assert(
    fc.property(times, ({ received, dateOffset, delayMs, residentMs }) => {
      const response = stored(['date', httpDate(dateOffset), 'age', String(received)], { requestTime: NOON - delayMs });
      const age = currentAgeSeconds(response, NOON + residentMs);
      assert.ok(Number.isSafeInteger(age) && age >= received);
      const resident = Math.max(0, residentMs);
      const sinceRequest = received + (delayMs + resident) / 1000;
      const sinceDate = Math.max(0, -dateOffset) + resident / 1000;
      assert.ok(age <= Math.max(sinceRequest, sinceDate), `${age} ${sinceRequest} ${sinceDate}`);
    }),
  );
});

test('the age never goes down as time goes on', () => {
  fc.assert(
    fc.property(times, fc.nat(), ({ received, delayMs, residentMs }, more) => {
      const response = stored(['age', String(received)], { requestTime: NOON - delayMs });
      const now = NOON + residentMs;
      assert.ok(currentAgeSeconds(response, now + more) >= currentAgeSeconds(response, now));
    }),
  );
});

test('a request always matches the response that its twin brought', () => {
  const fields = fc
    .array(fc.tuple(fc.constantFrom('accept', 'accept-language', 'foo', 'bar'), anyText))
    .map((pairs) => pairs.flat());
  fc.assert(
    fc.property(fields, (asked) => {
      const response = stored(['vary', 'Accept, Accept-Language, Foo'], {}, asked);
      assert.equal(selectVariant(get(asked), [response]), response);
    }),
  );
});

test('a Cache-Status member is always a well-formed structured field', () => {
  const reason = fc.constantFrom<ForwardReason>('uri-miss', 'vary-miss', 'stale', 'request', 'method', 'bypass');
  const outcome = fc.record({ fwd: reason, fwdStatus: fc.integer(), ttl: fc.double(), detail: anyText });
  fc.assert(fc.property(outcome, (one) => assert.notEqual(parseDictionary(cacheStatus(one)), undefined)));
});

// A model that knows the directives as values, never as text, and judges every answer that a cache could give.

interface Grant {
  readonly flags: readonly string[];
  readonly maxAge: number;
  readonly swr: number;
  readonly sie: number;
}

const FLAGS = ['no-store', 'private', 'no-cache', 'must-revalidate', 'proxy-revalidate', 's-maxage', 'public'] as const;
const grant: fc.Arbitrary<Grant> = fc.record({
  flags: fc.subarray([...FLAGS], { maxLength: 2 }),
  maxAge: fc.nat({ max: 100 }),
  swr: fc.nat({ max: 100 }),
  sie: fc.nat({ max: 100 }),
});

const written = ({ flags, maxAge, swr, sie }: Grant) =>
  [
    ...flags.map((flag) => (flag === 's-maxage' ? `s-maxage=${maxAge}` : flag)),
    `max-age=${maxAge}, stale-while-revalidate=${swr}, stale-if-error=${sie}`,
  ].join(', ');

type Event =
  | { readonly kind: 'read'; readonly after: number; readonly maxStale: number | undefined }
  | { readonly kind: 'outage'; readonly after: number }
  | { readonly kind: '304'; readonly after: number; readonly grant: Grant };

const after = fc.nat({ max: 150 });
const event: fc.Arbitrary<Event> = fc.oneof(
  fc.record({
    kind: fc.constant('read' as const),
    after,
    maxStale: fc.option(fc.nat({ max: 100 }), { nil: undefined }),
  }),
  fc.record({ kind: fc.constant('outage' as const), after }),
  fc.record({ kind: fc.constant('304' as const), after, grant }),
);

test('under any sequence of reads, outages and validations nothing comes back that its directives forbid', () => {
  const contract = fc.constantFrom(0, 50, Infinity);
  fc.assert(
    fc.property(grant, fc.array(event, { maxLength: 12 }), contract, (first, events, staleIfErrorSeconds) => {
      const rules: CacheRules = { ...STRICT_RULES, staleIfErrorSeconds };
      const forbidden = (one: Grant) => one.flags.includes('no-store') || one.flags.includes('private');
      const strict = ['must-revalidate', 'proxy-revalidate', 's-maxage'];

      const response = stored(['etag', '"a"', 'cache-control', written(first)]);
      assert.equal(storable(get(), response, rules).store, !forbidden(first));
      // What the model believes is held, even where a cache would have dropped it: no decision may let it out.
      let held: StoredHead = response;
      let current = first;
      let validated = NOON;
      let now = NOON;

      for (const one of events) {
        now += one.after * 1000;
        if (one.kind === '304') {
          const fields = ['date', new Date(now).toUTCString(), 'etag', '"a"', 'cache-control', written(one.grant)];
          const validation = freshen(held, { status: 304, fields, requestTime: now, responseTime: now });
          assert.equal(validation.kind, 'updated');
          if (validation.kind === 'updated') held = validation.entry;
          current = one.grant;
          validated = now;
          continue;
        }
        const staleFor = (now - validated) / 1000 - current.maxAge;
        let served: boolean;
        let longest: number;
        if (one.kind === 'outage') {
          served = staleAllowed(held, { kind: 'disconnected' }, now, rules);
          longest = Math.max(current.sie, staleIfErrorSeconds);
        } else {
          const asked = one.maxStale === undefined ? [] : ['cache-control', `max-stale=${one.maxStale}`];
          const kind = verdict(get(asked), [held], now, rules).kind;
          served = kind === 'fresh' || kind === 'stale-while-revalidate';
          longest = Math.max(current.swr, one.maxStale === undefined ? 0 : one.maxStale + 1);
        }
        const mayServe =
          !forbidden(current) &&
          !current.flags.includes('no-cache') &&
          (staleFor < 0 || (staleFor < longest && !strict.some((flag) => current.flags.includes(flag))));
        assert.equal(served, mayServe, `${written(current)}, stale for ${staleFor}, ${JSON.stringify(one)}`);
      }
    }),
    { numRuns: 1000 },
  );
});
