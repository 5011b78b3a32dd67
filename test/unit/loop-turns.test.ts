import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { LoopTurns } from '../../src/http/loop-turns.ts';

const PIECE = 256 * 1024;

async function handOn(turns: LoopTurns, done: () => void): Promise<void> {
  await turns.take();
  turns.handedOn(PIECE);
  done();
}

test('two megabytes are handed on in a turn of the event loop, the others in the turns after it, first come first', async () => {
  const turns = new LoopTurns();
  for (let n = 0; n < 8; n++) await handOn(turns, () => {});
  const order: number[] = [];
  const all = Array.from({ length: 20 }, (_, n) => handOn(turns, () => order.push(n)));
  for (const upTo of [0, 8, 16, 20]) {
    await Promise.resolve();
    assert.deepEqual(
      order,
      Array.from({ length: upTo }, (_, n) => n),
    );
    await turn();
  }
  await Promise.all(all);
  assert.equal(turns.take(), undefined, 'nobody waits when nobody is there');
});

test('who comes while others wait does not overtake them', async () => {
  const turns = new LoopTurns();
  turns.handedOn(8 * PIECE);
  const order: string[] = [];
  const waiting = Array.from({ length: 9 }, () => handOn(turns, () => order.push('waited')));
  await turn();
  await Promise.all([...waiting, handOn(turns, () => order.push('late'))]);
  assert.deepEqual(order, [...Array.from({ length: 9 }, () => 'waited'), 'late']);
});

test('a turn that brings a newcomer hands nothing on, but not for longer than 20 ms', async () => {
  let now = 1_000;
  const turns = new LoopTurns(() => now);
  turns.take();
  await turn();
  let handedOn = false;
  turns.newcomer();
  void turns.take()!.then(() => {
    handedOn = true;
  });
  for (now = 1_005; now < 1_020; now += 5) {
    turns.newcomer();
    await turn();
    assert.ok(!handedOn, `${now - 1_000} ms`);
  }
  turns.newcomer();
  await turn();
  assert.ok(handedOn);
});

test('without newcomers who was put off for them is called in the next turn', async () => {
  const turns = new LoopTurns(() => 1_000);
  turns.take();
  await turn();
  turns.newcomer();
  let handedOn = false;
  void turns.take()!.then(() => {
    handedOn = true;
  });
  await turn();
  assert.ok(!handedOn);
  await turn();
  assert.ok(handedOn);
});
