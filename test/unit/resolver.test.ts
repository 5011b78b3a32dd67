import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Resolver } from '../../src/net/resolver.ts';
import { FakeClock } from '../support/clock/clock.ts';

interface World {
  readonly clock: FakeClock;
  readonly resolver: Resolver;
  /** What the name service does from now on. */
  answer: () => Promise<readonly string[]>;
  questions: number;
}

function world(): World {
  const clock = new FakeClock();
  const made: World = {
    clock,
    answer: async () => ['192.0.2.1'],
    questions: 0,
    resolver: new Resolver({
      now: clock.now,
      patienceMs: 20,
      lookup: () => {
        made.questions += 1;
        return made.answer();
      },
    }),
  };
  return made;
}

test('an answer is used for 25 s; then a changed address is seen', async () => {
  const it = world();
  await it.resolver.addresses('index.example');
  it.answer = async () => ['192.0.2.2'];
  it.clock.advance(24_999);
  assert.deepEqual(await it.resolver.addresses('index.example'), ['192.0.2.1']);
  it.clock.advance(1);
  assert.deepEqual(await it.resolver.addresses('index.example'), ['192.0.2.2']);
  assert.equal(it.questions, 2);
});

test('the old answer serves for as long as the name service fails, answers nothing or hangs', async () => {
  const it = world();
  await it.resolver.addresses('index.example');
  for (const broken of [
    () => Promise.reject(new Error('SERVFAIL')),
    async () => [],
    () => new Promise<never>(() => {}),
  ]) {
    it.clock.advance(86_400_000);
    it.answer = broken;
    assert.deepEqual(await it.resolver.addresses('index.example'), ['192.0.2.1']);
  }
});

test('a name that never resolved is a failure of kind dns, and is asked for again the next time', async () => {
  const it = world();
  it.answer = () => Promise.reject(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }));
  await assert.rejects(it.resolver.addresses('index.example'), { kind: 'dns' });
  it.answer = async () => ['192.0.2.1'];
  assert.deepEqual(await it.resolver.addresses('index.example'), ['192.0.2.1']);
});

test('many questions for one name at a time are one question', async () => {
  const it = world();
  await Promise.all(Array.from({ length: 50 }, () => it.resolver.addresses('index.example')));
  assert.equal(it.questions, 1);
});

test('an address literal is its own answer', async () => {
  const it = world();
  assert.deepEqual(await it.resolver.addresses('[::1]'), ['::1']);
  assert.deepEqual(await it.resolver.addresses('127.0.0.1'), ['127.0.0.1']);
  assert.equal(it.questions, 0);
});
