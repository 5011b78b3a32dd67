import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BodyWriteRetries } from '../../src/store/blobs/body-write-retries.ts';

/** Bodies of which each says that it was offered, and is taken when `taken` has it. */
function world() {
  const bodyWriteRetries = new BodyWriteRetries();
  const taken = new Set<string>();
  const offered: string[] = [];
  const add = (name: string, said = name) =>
    bodyWriteRetries.add(name, async () => {
      offered.push(said);
      return taken.has(name);
    });
  return { bodyWriteRetries, taken, offered, add };
}

test('one that the disk does not take ends the round, and does not stand in the way of the others for ever', async () => {
  const { bodyWriteRetries, taken, offered, add } = world();
  for (const name of ['a', 'b', 'c']) add(name);
  taken.add('b').add('c');
  await bodyWriteRetries.tryAgain();
  assert.deepEqual(offered.splice(0), ['a']);
  await bodyWriteRetries.tryAgain();
  assert.deepEqual(offered.splice(0), ['b', 'c', 'a']);
  await bodyWriteRetries.tryAgain();
  assert.deepEqual(offered.splice(0), ['a']);
  taken.add('a');
  await bodyWriteRetries.close();
  assert.deepEqual(offered.splice(0), ['a']);
  await bodyWriteRetries.tryAgain();
  assert.deepEqual(offered, []);
});

test('a newer body takes the place of the one of its name, also while that is being written', async () => {
  const { bodyWriteRetries, taken, offered, add } = world();
  add('a', 'old');
  add('a', 'new');
  bodyWriteRetries.add('b', async () => {
    add('b', 'newer');
    return true;
  });
  taken.add('a').add('b');
  await bodyWriteRetries.tryAgain();
  await bodyWriteRetries.tryAgain();
  assert.deepEqual(offered, ['new', 'newer']);
});
