// A short game of chance on both sides of the wire; `npm run test:long` plays the long one.

import { test } from 'node:test';
import { fuzzAnswers } from '../fuzz/answer-fuzz.ts';
import { seedOf } from '../fuzz/random.ts';
import { fuzzRequests } from '../fuzz/request-fuzz.ts';

const SEED = seedOf(1);

test(`1,500 requests that no installer sends harm nobody and reach nothing (seed ${SEED})`, (t) =>
  fuzzRequests(t, 1_500, SEED));

test(`300 answers that no index should give are neither served nor stored (seed ${SEED})`, (t) =>
  fuzzAnswers(t, 300, SEED));
