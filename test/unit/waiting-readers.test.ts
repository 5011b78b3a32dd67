import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { GrowingBody } from '../../src/cache/growing-body.ts';
import { WaitingReaders } from '../../src/cache/waiting-readers.ts';

test('a few readers are woken at once, a crowd a few in each turn of the event loop', async () => {
  for (const [readers, turns] of [
    [3, 1],
    [20, 5],
  ] as const) {
    const waiting = new WaitingReaders();
    let woken = 0;
    const all = Array.from({ length: readers }, async () => {
      waiting.joined();
      await waiting.wait();
      woken++;
    });
    waiting.wakeSoon();
    for (let n = 1; n <= turns; n++) {
      await Promise.resolve();
      assert.equal(woken, Math.ceil((readers * n) / turns), `readers of ${readers} woken after ${n} turns`);
      await turn();
    }
    await Promise.all(all);
  }
});

test('while a crowd gathers its newcomers come first, and nobody is put off for long', async () => {
  const body = new GrowingBody({
    sizeBytes: 100_000,
    holdBackBytes: 0,
    writer: Promise.resolve(undefined),
    onDiskFailure: () => {},
    onDeserted: () => {},
  });
  const lend = () => Buffer.alloc(1000);
  const begun = Array.from({ length: 10 }, () => body.reader());
  const firsts = Promise.all(begun.map((reader) => reader.next(lend)));
  await body.append(Buffer.alloc(1000));
  await firsts;
  await body.append(Buffer.alloc(50_000));

  const order: string[] = [];
  const newcomer = body.reader();
  const seconds = begun.map(async (reader) => {
    assert.equal((await reader.next(lend))?.length, 50_000);
    order.push('begun');
  });
  // A little, so that the next newcomer has his soon.
  assert.equal((await newcomer.next(lend))?.length, 16 * 1024);
  order.push('newcomer');
  // Upstream is silent from here on: what is here must reach everybody all the same.
  await Promise.all(seconds);
  assert.deepEqual(order, ['newcomer', ...begun.map(() => 'begun')]);
});
