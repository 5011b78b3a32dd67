// What holds in every fault, by the numbers of the design (I1 to I15), each with the tests that would fail without it.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

/** A test file below test/, and a part of the title of one of its tests as it is written there. */
type Proof = readonly [file: string, title: string];

const INVARIANTS: readonly (readonly [promise: string, proofs: readonly Proof[]])[] = [
  [
    'I1: never a wrong body that looks complete',
    [
      ['scenario/verifies-files', 'is neither served whole nor stored, and heals'],
      ['scenario/streams-files', 'of a wrong file nobody gets more'],
      ['scenario/heals', 'beneath a running process is noticed within a second or two'],
      ['scenario/ranges', 'a range of an arriving file that turns out wrong is an error'],
    ],
  ],
  [
    'I2: nothing enters the cache that is not proven whole',
    [
      ['scenario/verifies-files', 'is neither served whole nor stored, and heals'],
      ['scenario/serves-stale', 'a page that was seen is served, one that was not is a clear error'],
      ['patient/kill-nine', 'kill -9 in the middle of writing'],
    ],
  ],
  [
    'I3: an error never replaces a good entry',
    [
      ['scenario/serves-stale', 'a page that was seen is served, one that was not is a clear error'],
      ['scenario/raw-outage', 'keeps the copy through failed refreshes'],
    ],
  ],
  [
    'I4: a usable copy is served within a second, whatever upstream, Redis or another process does',
    [
      ['scenario/serves-stale', 'swallows connections (F02)'],
      ['scenario/redis-faults', 'frozen: three calls wait 100 ms, then none'],
      ['patient/leases', 'Redis freezes'],
    ],
  ],
  [
    'I5: a cold request hears of bytes or of an error in time',
    [
      ['patient/cold-files', 'a cold file whose host'],
      ['patient/cold-files', 'each of which takes 8 s: a clear error before pip gives up'],
    ],
  ],
  [
    'I6: one request upstream for all who ask',
    [
      ['scenario/collapses-requests', 'a hundred clients for a cold page are one request upstream'],
      ['scenario/streams-files', 'a hundred clients for one cold file'],
      ['patient/workers', 'upstream is asked once, and twice at most'],
      ['patient/leases', 'ask for one cold page: upstream is asked once'],
    ],
  ],
  [
    'I7: staleness is visible, bounded where the operator wants it, and ends with a removal',
    [
      ['scenario/serves-stale', 'shows in the metrics: what was served stale and why'],
      ['scenario/raw-outage', 'stale_if_error bounds how long the copy stands in, to the second'],
      ['scenario/removal', 'is served until it is called so again a minute later, and is 404 then'],
    ],
  ],
  [
    'I8: no answer is never "there is none"',
    [
      ['scenario/negative-answers', 'is not called missing any more when its minute is over and the index fails'],
      ['scenario/negative-answers', 'never what the first cannot say'],
      ['scenario/serves-stale', 'a page that was seen is served, one that was not is a clear error'],
    ],
  ],
  [
    'I9: Redis may be lost, slow, full, wiped or hostile without a wrong answer',
    [
      ['scenario/redis-faults', 'with a Redis that fails'],
      ['scenario/redis-faults', 'garbage, foreign, exchanged, forged and huge values are misses'],
      ['patient/leases', 'what Redis says is here and is not comes from upstream again'],
    ],
  ],
  [
    'I10: kill -9 at any moment leaves a cache that starts, serves and heals',
    [
      ['patient/kill-nine', 'kill -9 in the middle of writing'],
      ['patient/kill-nine', 'kill -9 in the moment of an answer'],
      ['scenario/survives-restart', 'kill -9 loses nothing that was answered'],
    ],
  ],
  [
    'I11: the disk holds no more than the quota and what is under way',
    [
      ['scenario/keeps-quota', 'the disk never holds more, and every answer is right'],
      ['soak/quota', 'the disk never holds more'],
    ],
  ],
  [
    'I12: memory grows with open connections, not with bytes or projects',
    [
      ['patient/overload', 'slow nobody down and cost little memory'],
      ['soak/projects', 'L2'],
      ['soak/small-machine', 'L8'],
    ],
  ],
  ['I13: after a fault all is right within 30 s', [['scenario/recovers', 'all are right again within 30 s']]],
  [
    'I14: no descriptor, socket, timer or temporary file grows with the number of faults',
    [
      ['scenario/upstream-leaks', 'leave no socket, timer or listener'],
      ['scenario/redis-faults', 'not one connection or timer more afterwards'],
      ['scenario/streams-files', 'ends at once and leaves nothing behind'],
    ],
  ],
  [
    'I15: readiness is the ability to serve',
    [
      ['scenario/observing-endpoints', 'readiness is 200 or 503 with its reasons'],
      ['patient/disk-faults', 'the process says it is ready (F53)'],
    ],
  ],
];

for (const [promise, proofs] of INVARIANTS) {
  test(promise, async () => {
    for (const [file, title] of proofs) {
      const source = await readFile(new URL(`../${file}.test.ts`, import.meta.url), 'utf8');
      assert.ok(source.includes(title), `${file} has no test "${title}"`);
    }
  });
}
