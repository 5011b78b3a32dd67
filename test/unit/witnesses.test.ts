// A server becomes suspect by several distinct subjects that fail without a success between them, and by nothing else.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Witnesses } from '../../src/upstream/witnesses.ts';

const SUBJECT = fc.integer({ min: 0, max: 8 }).map((i) => `project-${i}/`);
const EVENT = fc.record({
  kind: fc.constantFrom('bad' as const, 'bad' as const, 'bad' as const, 'good' as const, 'answered' as const),
  subject: SUBJECT,
  afterMs: fc.integer({ min: 0, max: 20_000 }),
});

test('it is suspect exactly when five distinct subjects failed within a minute and since the last success', () => {
  fc.assert(
    fc.property(fc.array(EVENT, { maxLength: 80 }), (events) => {
      const witnesses = new Witnesses();
      let now = 0;
      let failures: { readonly subject: string; readonly at: number }[] = [];
      for (const { kind, subject, afterMs } of events) {
        now += afterMs;
        if (kind === 'bad') {
          witnesses.bad(subject, now);
          failures.push({ subject, at: now });
        } else {
          if (kind === 'good') witnesses.good(subject, subject);
          else witnesses.answered();
          failures = [];
        }
        const distinct = new Set(failures.filter(({ at }) => now - at < 60_000).map((failure) => failure.subject));
        assert.equal(witnesses.isSuspect(now), distinct.size >= 5);
        assert.equal(
          witnesses.isAgainst(subject),
          failures.some((failure) => failure.subject === subject),
        );
      }
    }),
  );
});

test('neutral is what was well lately and has not failed since, the newest first, a few of them', () => {
  const witnesses = new Witnesses();
  for (let i = 0; i < 20; i += 1) witnesses.good(`${i}`, `${i}/`);
  witnesses.bad('18', 0);
  assert.deepEqual(witnesses.neutral, ['19/', '17/', '16/', '15/', '14/', '13/', '12/']);
});

test('any number of subjects that fail is remembered within bounds', () => {
  const witnesses = new Witnesses();
  for (let i = 0; i < 5_000; i += 1) witnesses.bad(`${i}`, i);
  assert.deepEqual([witnesses.isAgainst('0'), witnesses.isAgainst('4999')], [false, true]);
});
