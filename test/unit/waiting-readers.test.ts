import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WaitingReaders } from '../../src/cache/waiting-readers.ts';

test('a few readers are woken for every piece, a crowd only after an interval', async () => {
  for (const [readers, wokenAtOnce] of [
    [3, true],
    [20, false],
  ] as const) {
    const waiting = new WaitingReaders();
    for (let n = 0; n < readers; n++) waiting.joined();
    waiting.wake();
    let woken = 0;
    for (let n = 0; n < readers; n++) void waiting.wait().then(() => woken++);
    waiting.wakeSoon();
    await Promise.resolve();
    assert.equal(woken, wokenAtOnce ? readers : 0);
    await sleep(40);
    assert.equal(woken, readers);
  }
});
