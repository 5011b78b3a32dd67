import assert from 'node:assert/strict';
import { it } from 'node:test';
import { RetrySchedule } from '../../src/cache/retry-schedule.ts';
import { UpstreamFailure } from '../../src/core/errors.ts';
import { FakeClock } from '../support/clock/clock.ts';

const FAILURE = { cause: new Error('down'), upstream: 'public', tookMs: 0, slow: false, held: true };

function schedule(random = 0.5) {
  const clock = new FakeClock();
  return { clock, retries: new RetrySchedule({ now: clock.now, random: () => random }) };
}

/** Milliseconds until the key may be tried, to 10 ms. */
function waitMs(clock: FakeClock, retries: RetrySchedule): number {
  let waited = 0;
  for (; retries.isWaiting('key'); waited += 10) clock.advance(10);
  return waited;
}

it('waits 5, 10, 20, 25 and again 25 seconds, and begins anew after a success', () => {
  const { clock, retries } = schedule();
  for (const expected of [5, 10, 20, 25, 25]) {
    retries.failed('key', FAILURE);
    assert.equal(waitMs(clock, retries), expected * 1000);
  }
  retries.succeeded('key', 'public');
  assert.equal(retries.lastFailure('key'), undefined);
  retries.failed('key', FAILURE);
  assert.equal(waitMs(clock, retries), 5_000);
});

it('spreads the waits by a tenth', () => {
  for (const [random, expected] of [
    [0, 4_500],
    [1, 5_500],
  ] as const) {
    const { clock, retries } = schedule(random);
    retries.failed('key', FAILURE);
    assert.equal(waitMs(clock, retries), expected);
  }
});

it('counts from the start of the try, jitter included, so that 25 s after it the next one is due', () => {
  const { clock, retries } = schedule(1);
  for (let i = 0; i < 4; i += 1) retries.failed('key', { ...FAILURE, tookMs: 9_500 });
  assert.equal(waitMs(clock, retries), 15_500);
});

it('tries what was not asked, because its upstream failed others, as soon as that upstream answers', () => {
  const { clock, retries } = schedule();
  const notAsked = { ...FAILURE, cause: new UpstreamFailure('circuit-open', 'not asked', { pauseMs: 20_000 }) };
  for (const key of ['key', 'other']) retries.failed(key, { ...FAILURE, slow: true });
  retries.failed('key', notAsked);
  assert.equal(retries.lastFailure('key')?.slow, true, 'whether it is slow was not seen');
  clock.advance(1_000);
  retries.succeeded('third', 'another upstream');
  assert.equal(retries.isWaiting('key'), true);
  retries.succeeded('third', 'public');
  assert.equal(retries.isWaiting('key'), false);
  assert.equal(retries.isWaiting('other'), true, 'it was asked, and failed itself');
});

it('tries what was not asked when its upstream is due, without going back further', () => {
  const { clock, retries } = schedule();
  const notAsked = { ...FAILURE, cause: new UpstreamFailure('circuit-open', 'not asked', { pauseMs: 7_000 }) };
  retries.failed('key', FAILURE);
  for (let i = 0; i < 4; i += 1) retries.failed('key', notAsked);
  assert.equal(waitMs(clock, retries), 7_000);
  retries.failed('key', FAILURE);
  assert.equal(waitMs(clock, retries), 10_000);
});

it('waits exactly as long as it is told', () => {
  const { clock, retries } = schedule(1);
  retries.failed('key', { ...FAILURE, cause: 'missing' }, 60_000);
  assert.equal(waitMs(clock, retries), 60_000);
});

it('remembers why, also when the wait is over, and by key', () => {
  const { clock, retries } = schedule();
  retries.failed('key', { ...FAILURE, slow: true });
  waitMs(clock, retries);
  assert.equal(retries.lastFailure('key')?.cause, FAILURE.cause);
  assert.equal(retries.lastFailure('key')?.slow, true);
  assert.equal(retries.isWaiting('other'), false);
  assert.equal(retries.size, 1);
});

it('does not wait longer because the clock was set back', () => {
  const { clock, retries } = schedule();
  retries.failed('key', FAILURE);
  clock.advance(-3_600_000);
  assert.equal(retries.isWaiting('key'), false);
});

it('remembers a bounded number of keys, the newest', () => {
  const { retries } = schedule();
  for (let i = 0; i < 100_010; i += 1) retries.failed(`key ${i}`, FAILURE);
  assert.equal(retries.size, 100_000);
  assert.equal(retries.lastFailure('key 0'), undefined);
  assert.ok(retries.lastFailure('key 100009') !== undefined);
});

it('lets what nobody holds be tried again at once, then after 2, 4, 8, 16, 25 seconds, and anew a minute later', () => {
  const { clock, retries } = schedule();
  const cause = new UpstreamFailure('status', 'down', { upstreamStatus: 500 });
  for (const expected of [0, 2, 4, 8, 16, 25, 25]) {
    retries.failed('key', { ...FAILURE, cause, held: false });
    assert.equal(waitMs(clock, retries), expected * 1000);
  }
  clock.advance(61_000);
  retries.failed('key', { ...FAILURE, cause, held: false });
  assert.equal(waitMs(clock, retries), 0);
});

it('tells a client of what nobody holds how it failed and when to come back, and a client that insists 5 s later not', () => {
  const { clock, retries } = schedule();
  const cause = new UpstreamFailure('wrong-digest', 'other bytes');
  for (let i = 0; i < 4; i += 1) retries.failed('key', { ...FAILURE, cause, held: false });
  const told = retries.refusal('key', false) as UpstreamFailure;
  assert.deepEqual([told.kind, told.message, told.retryAfterSeconds], ['wrong-digest', 'other bytes', 5]);
  clock.advance(4_999);
  assert.ok(retries.refusal('key', true) !== undefined);
  clock.advance(1);
  assert.equal(retries.refusal('key', true), undefined);
  assert.equal((retries.refusal('key', false) as UpstreamFailure).retryAfterSeconds, 3);
});

it('refuses nothing of which nothing was learned: not asked, given up, a copy that is doubted', () => {
  const { retries } = schedule();
  const kinds = ['circuit-open', 'crowded', 'aborted'] as const;
  for (const cause of [...kinds.map((kind) => new UpstreamFailure(kind, 'no')), 'missing']) {
    for (let i = 0; i < 3; i += 1) retries.failed('key', { ...FAILURE, cause, held: false });
    assert.equal(retries.refusal('key', false), undefined);
  }
});

it('remembers few of the keys that nobody holds, for there may be any number of them', () => {
  const { retries } = schedule();
  retries.failed('held', FAILURE);
  for (let i = 0; i < 5_000; i += 1) retries.failed(`cold ${i}`, { ...FAILURE, held: false });
  assert.equal(retries.size, 1_001);
  assert.ok(retries.lastFailure('held') !== undefined);
  assert.equal(retries.lastFailure('cold 4999')?.cause, FAILURE.cause);
});
