import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UnkeptBodies } from '../../src/store/blobs/body-write-retries.ts';

/** Bodies of which each says that it was offered, and is taken when `taken` has it. */
function world() {
  const unkept = new UnkeptBodies();
  const taken = new Set<string>();
  const offered: string[] = [];
  const add = (name: string, said = name) =>
    unkept.add(name, async () => {
      offered.push(said);
      return taken.has(name);
    });
  return { unkept, taken, offered, add };
}

test('one that the disk does not take ends the round, and does not stand in the way of the others for ever', async () => {
  const { unkept, taken, offered, add } = world();
  for (const name of ['a', 'b', 'c']) add(name);
  taken.add('b').add('c');
  await unkept.tryAgain();
  assert.deepEqual(offered.splice(0), ['a']);
  await unkept.tryAgain();
  assert.deepEqual(offered.splice(0), ['b', 'c', 'a']);
  await unkept.tryAgain();
  assert.deepEqual(offered.splice(0), ['a']);
  taken.add('a');
  await unkept.close();
  assert.deepEqual(offered.splice(0), ['a']);
  await unkept.tryAgain();
  assert.deepEqual(offered, []);
});

test('a newer body takes the place of the one of its name, also while that is being written', async () => {
  const { unkept, taken, offered, add } = world();
  add('a', 'old');
  add('a', 'new');
  unkept.add('b', async () => {
    add('b', 'newer');
    return true;
  });
  taken.add('a').add('b');
  await unkept.tryAgain();
  await unkept.tryAgain();
  assert.deepEqual(offered, ['new', 'newer']);
});
