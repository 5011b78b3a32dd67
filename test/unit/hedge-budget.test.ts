import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HedgeBudget } from '../../src/upstream/first-answer.ts';

test('over any run of requests at most 5 % are hedged, beside a burst of five', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 2_000 }), (wishes) => {
      const budget = new HedgeBudget();
      let hedges = 0;
      for (const [i, wish] of wishes.entries()) {
        budget.earn();
        if (wish && budget.spend()) hedges += 1;
        assert.ok(hedges <= 5 + 0.05 * (i + 1) + 1e-9);
      }
    }),
  );
});

test('a long quiet time saves no more than the burst', () => {
  const budget = new HedgeBudget(0.05, 2);
  for (let i = 0; i < 10_000; i += 1) budget.earn();
  assert.deepEqual([budget.spend(), budget.spend(), budget.spend()], [true, true, false]);
});
