// The long games; WHEELKEEP_TEST_SEED plays one again that failed.

import { test } from 'node:test';
import { fuzzAnswers } from './answer-fuzz.ts';
import { seedOf } from './random.ts';
import { fuzzRequests } from './request-fuzz.ts';

const SEED = seedOf(Date.now() % 1_000_000);

test(`10,000 requests that no installer sends harm nobody and reach nothing (seed ${SEED})`, (t) =>
  fuzzRequests(t, 10_000, SEED));

test(`10,000 answers that no index should give are neither served nor stored (seed ${SEED})`, (t) =>
  fuzzAnswers(t, 10_000, SEED));
