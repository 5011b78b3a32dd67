import assert from 'node:assert/strict';
import { describe, it, mock, type TestContext } from 'node:test';
import type { Resource } from '../../src/cache/profile.ts';
import { RefreshAhead } from '../../src/cache/refresh-ahead.ts';
import { FakeClock } from '../support/clock/clock.ts';

/** Only its key and upstream count here. */
function resource(key: string, upstream = 'public'): Resource {
  return { key, upstream } as Resource;
}

const TICK_MS = 250;

function setting(test: Pick<TestContext, 'after'>, random = 0.5) {
  const clock = new FakeClock();
  mock.timers.enable({ apis: ['setInterval'] });
  test.after(() => mock.timers.reset());
  const refreshed: string[] = [];
  const ahead = new RefreshAhead({ now: clock.now, random: () => random, refresh: ({ key }) => refreshed.push(key) });
  const pass = (ms: number) => {
    for (let passed = 0; passed < ms; passed += TICK_MS) {
      clock.advance(TICK_MS);
      mock.timers.tick(TICK_MS);
    }
  };
  return { ahead, refreshed, pass, clock };
}

describe('a key', () => {
  const foo = resource('foo');

  it('asked for twice is refreshed in the last fifth of its lifetime, not in its last twelfth', (test) => {
    for (const random of [0, 0.999]) {
      mock.timers.reset();
      const { ahead, refreshed, pass } = setting(test, random);
      ahead.validated(foo, 60_000);
      ahead.asked(foo, 59_000);
      pass(47_500);
      assert.deepEqual(refreshed, []);
      pass(8_000);
      assert.deepEqual(refreshed, ['foo']);
    }
  });

  it('asked for once is left alone, and forgotten when its lifetime is over', (test) => {
    const { ahead, refreshed, pass } = setting(test);
    ahead.validated(foo, 60_000);
    pass(61_000);
    ahead.asked(foo, 0);
    pass(61_000);
    assert.deepEqual(refreshed, []);
  });

  it('asked for the second time after its moment is refreshed at once', (test) => {
    const { ahead, refreshed, pass } = setting(test);
    ahead.validated(foo, 60_000);
    pass(58_000);
    ahead.asked(foo, 2_000);
    assert.equal(ahead.pending('foo'), true);
    pass(250);
    assert.deepEqual(refreshed, ['foo']);
    assert.equal(ahead.pending('foo'), false);
  });

  it('validated meanwhile has a new lifetime: the old moment counts no more', (test) => {
    const { ahead, refreshed, pass } = setting(test);
    ahead.validated(foo, 60_000);
    ahead.asked(foo, 60_000);
    pass(40_000);
    ahead.validated(foo, 60_000);
    ahead.asked(foo, 60_000);
    pass(40_000);
    assert.deepEqual(refreshed, []);
    pass(16_000);
    assert.deepEqual(refreshed, ['foo']);
  });

  it('forgotten is not refreshed', (test) => {
    const { ahead, refreshed, pass } = setting(test);
    for (let i = 0; i < 2; i += 1) ahead.asked(foo, 60_000);
    ahead.forget('foo');
    pass(60_000);
    assert.deepEqual(refreshed, []);
  });
});

describe('the queue', () => {
  it('starts at most 20 a second for each upstream, in order, and says who waits in it', (test) => {
    const { ahead, refreshed, pass } = setting(test);
    const keys = Array.from({ length: 100 }, (_, i) => resource(`a${i}`, 'a'));
    for (const key of [...keys, resource('b0', 'b')]) for (let i = 0; i < 2; i += 1) ahead.asked(key, 60_000);
    pass(51_500);
    assert.ok(refreshed.includes('b0'), 'one upstream kept another one waiting');
    const inFirstTick = refreshed.length - 1;
    assert.ok(inFirstTick <= 5, `${inFirstTick} at once`);
    assert.equal(ahead.pending('a99'), true);
    const before = refreshed.length;
    pass(1_000);
    assert.equal(refreshed.length - before, 20);
    pass(5_000);
    assert.equal(refreshed.length, 101);
    assert.deepEqual(
      refreshed.filter((key) => key !== 'b0'),
      keys.map(({ key }) => key),
    );
    assert.equal(ahead.pending('a99'), false);
  });

  it('does not lose its pace when the clock is set back', (test) => {
    const { ahead, refreshed, pass, clock } = setting(test);
    pass(10_000);
    clock.advance(-3_600_000);
    for (let i = 0; i < 2; i += 1) ahead.validated(resource('foo'), 60_000);
    ahead.asked(resource('foo'), 60_000);
    pass(56_000);
    assert.deepEqual(refreshed, ['foo']);
  });
});
