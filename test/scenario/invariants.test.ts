// What holds in every fault, by the numbers of the design, each with the tests that would fail without it.

import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import { before, test } from 'node:test';

/** Each with parts of the titles of tests, as they are written. */
const INVARIANTS: readonly (readonly [promise: string, titles: readonly string[]])[] = [
  [
    'never a wrong body that looks complete',
    [
      'is neither served whole nor stored, and heals',
      'of a wrong file nobody gets more',
      'beneath a running process is noticed within a second or two',
      'a range of an arriving file that turns out wrong is an error',
    ],
  ],
  [
    'nothing enters the cache that is not proven whole',
    [
      'is neither served whole nor stored, and heals',
      'a page that was seen is served, one that was not is a clear error',
      'kill -9 in the middle of writing',
    ],
  ],
  [
    'an error never replaces a good entry',
    ['a page that was seen is served, one that was not is a clear error', 'keeps the copy through failed refreshes'],
  ],
  [
    'a usable copy is served within a second, whatever upstream, Redis or another process does',
    ['swallows connections', 'frozen: three calls wait 100 ms, then none', 'Redis freezes'],
  ],
  [
    'a cold request hears of bytes or of an error in time',
    ['a cold file whose host', 'each of which takes 8 s: a clear error before pip gives up'],
  ],
  [
    'one request upstream for all who ask',
    [
      'a hundred clients for a cold page are one request upstream',
      'a hundred clients for one cold file',
      'upstream is asked once, and twice at most',
      'ask for one cold page: upstream is asked once',
    ],
  ],
  [
    'staleness is visible, bounded where the operator wants it, and ends with a removal',
    [
      'shows in the metrics: what was served stale and why',
      'stale_if_error bounds how long the copy stands in, to the second',
      'is served until it is called so again a minute later, and is 404 then',
    ],
  ],
  [
    'no answer is never "there is none"',
    [
      'is not called missing any more when its minute is over and the index fails',
      'never what the first cannot say',
      'a page that was seen is served, one that was not is a clear error',
    ],
  ],
  [
    'Redis may be lost, slow, full, wiped or hostile without a wrong answer',
    [
      'with a Redis that fails',
      'garbage, foreign, exchanged, forged and huge values are misses',
      'what Redis says is here and is not comes from upstream again',
    ],
  ],
  [
    'kill -9 at any moment leaves a cache that starts, serves and heals',
    [
      'kill -9 in the middle of writing',
      'kill -9 in the moment of an answer',
      'kill -9 loses nothing that was answered',
    ],
  ],
  [
    'the disk holds no more than the quota and what is under way',
    ['the disk never holds more, and every answer is right', 'the disk never holds more'],
  ],
  [
    'memory grows with open connections, not with bytes or projects',
    ['slow nobody down and cost little memory', 'L2: 10,000 projects', 'L8: a wheel of 1 GB'],
  ],
  ['after a fault all is right within 30 s', ['all are right again within 30 s']],
  [
    'no descriptor, socket, timer or temporary file grows with the number of faults',
    [
      'leave no socket, timer or listener',
      'not one connection or timer more afterwards',
      'ends at once and leaves nothing behind',
    ],
  ],
  ['readiness is the ability to serve', ['readiness is 200 or 503 with its reasons', 'the process says it is ready']],
];

let sources = '';

before(async () => {
  for await (const path of glob('test/**/*.test.ts')) {
    if (!path.endsWith('invariants.test.ts')) sources += await readFile(path, 'utf8');
  }
});

for (const [promise, titles] of INVARIANTS) {
  test(promise, () => {
    for (const title of titles) assert.ok(sources.includes(title), `there is no test "${title}"`);
  });
}
