import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FairQueue } from '../../src/core/fair-shares.ts';

const anybody = () => true;

function queue(...items: readonly (readonly [string, string])[]): FairQueue<string> {
  const made = new FairQueue<string>();
  for (const [client, item] of items) made.add(client, item);
  return made;
}

function rest(from: FairQueue<string>, may: (client: string) => boolean = anybody): string[] {
  const taken: string[] = [];
  for (let item = from.next(may); item !== undefined; item = from.next(may)) taken.push(item);
  return taken;
}

test('clients take turns, and each has its own requests in order', () => {
  const waiting = queue(['a', 'a1'], ['a', 'a2'], ['a', 'a3'], ['b', 'b1'], ['c', 'c1'], ['b', 'b2']);
  assert.equal(waiting.size, 6);
  assert.deepEqual(rest(waiting), ['a1', 'b1', 'c1', 'a2', 'b2', 'a3']);
  assert.equal(waiting.size, 0);
});

test('who may not keeps his place', () => {
  const waiting = queue(['a', 'a1'], ['b', 'b1'], ['b', 'b2']);
  assert.deepEqual(
    rest(waiting, (client) => client === 'b'),
    ['b1', 'b2'],
  );
  assert.deepEqual(rest(waiting), ['a1']);
});

test('who gives up is not called', () => {
  const waiting = queue(['a', 'a1'], ['b', 'b1'], ['b', 'b2']);
  waiting.delete('a', 'a1');
  waiting.delete('b', 'b1');
  waiting.delete('nobody', 'x');
  assert.deepEqual(rest(waiting), ['b2']);
});
