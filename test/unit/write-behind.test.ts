// Writes that nobody waits for, and what they hold of a key until they are sent.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WriteBehind } from '../../src/store/redis/write-behind.ts';

/** A receiver that takes nothing before it is let go. */
function receiver() {
  const sent: string[] = [];
  const holding: (() => void)[] = [];
  const hold = () => new Promise<void>((resolve) => holding.push(resolve));
  let dropped = 0;
  const writes = new WriteBehind({
    send: async (key, value) => {
      sent.push(`${key}=${value}`);
      await hold();
    },
    remove: async (keys) => {
      sent.push(`-${keys.length}`);
      await hold();
    },
    onDropped: () => dropped++,
  });
  const letGo = async () => {
    for (const resolve of holding.splice(0)) resolve();
    await new Promise(setImmediate);
  };
  return { writes, sent, letGo, dropped: () => dropped };
}

test('the removals of a purge go out together, and none is dropped', async () => {
  const { writes, sent, letGo, dropped } = receiver();
  for (let i = 0; i < 5_000; i++) writes.put(`key ${i}`, undefined);
  let rounds = 0;
  while (sent.length < 5_000 && writes.isRemoving('key 4999')) {
    await letGo();
    rounds++;
  }
  await letGo();
  await writes.drained();
  assert.equal(dropped(), 0);
  assert.ok(sent.length < 60 && rounds < 30, `${sent.length} calls`);
  assert.equal(
    sent.reduce((sum, one) => sum + Number(one.slice(1)), 0),
    5_000,
  );
});

test('a removal follows the write before it, and tells who asks meanwhile that nothing is there', async () => {
  const { writes, sent, letGo } = receiver();
  writes.put('a', Buffer.from('old'));
  assert.equal(writes.isRemoving('a'), false);
  writes.put('a', undefined);
  assert.equal(writes.isRemoving('a'), true);
  assert.deepEqual(sent, ['a=old']);
  await letGo();
  assert.deepEqual(sent, ['a=old', '-1']);
  assert.equal(writes.isRemoving('a'), true);
  await letGo();
  assert.equal(writes.isRemoving('a'), false);
});
