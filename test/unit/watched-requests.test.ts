// What a request to a mirror that takes long says of the mirror: nothing yet, that it is silent, that it is slow.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { UpstreamFailure } from '../../src/core/errors.ts';
import { Mirror, type MirrorEvent, WatchedRequest } from '../../src/upstream/mirror.ts';
import { FakeClock } from '../support/clock/clock.ts';

function world(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const clock = new FakeClock();
  const events: MirrorEvent['kind'][] = [];
  const mirror = new Mirror({
    url: 'https://index.example/simple/',
    now: clock.now,
    random: () => 0.5,
    onEvent: ({ kind }) => events.push(kind),
  });
  let asked = 0;
  const ask = () => {
    asked += 1;
    const subject = `project-${asked}/`;
    // The neutral question that settles a suspicion fails, too.
    const watched = new WatchedRequest(mirror, mirror.begin(subject)!, subject, () => {
      if (mirror.isSuspect) mirror.trip(0);
    });
    watched.sent('index.example');
    return watched;
  };
  const wait = (ms: number) => {
    clock.advance(ms);
    t.mock.timers.tick(ms);
  };
  return { ask, clock, events, mirror, wait };
}

const state = (mirror: Mirror) => mirror.status(true).state;
const timeout = new UpstreamFailure('timeout', 'late');

test('five requests without an answer open the circuit although all of them go on', (t) => {
  const { ask, mirror, wait } = world(t);
  const requests = Array.from({ length: 5 }, ask);
  wait(9_199);
  assert.equal(state(mirror), 'closed');
  wait(1);
  assert.equal(state(mirror), 'open');
  for (const request of requests) request.failed(timeout);
  assert.equal(state(mirror), 'open');
});

test('an answer that comes late closes it, and forgives', (t) => {
  const { ask, events, mirror, wait } = world(t);
  const [first, ...others] = Array.from({ length: 5 }, ask);
  wait(9_200);
  wait(2_800);
  first!.succeeded();
  assert.equal(state(mirror), 'closed');
  assert.deepEqual(events, ['opened', 'closed']);
  for (const other of others) other.failed(timeout);
  assert.equal(state(mirror), 'closed', 'one request counted twice');
});

test('a late answer does not end a pause that the mirror asked for', (t) => {
  const { ask, mirror, wait } = world(t);
  const [first, second] = [ask(), ask()];
  wait(9_200);
  second.failed(new UpstreamFailure('rate-limited', 'later', { pauseMs: 60_000, upstreamStatus: 429 }));
  assert.equal(state(mirror), 'open');
  first.succeeded();
  assert.equal(state(mirror), 'open');
  wait(60_000);
  assert.equal(state(mirror), 'half-open');
});

test('what ends before its time is no silence, and a request that nobody wants any more is neither', (t) => {
  const { ask, mirror, wait } = world(t);
  for (let i = 0; i < 5; i += 1) {
    ask().succeeded();
    ask().abandoned();
  }
  wait(60_000);
  assert.equal(state(mirror), 'closed');
});

test('a mirror that is known to be slow is given the time that it takes', (t) => {
  const { clock, mirror } = world(t);
  assert.equal(mirror.silentMs, 9_200);
  mirror.answeredLate(12_000);
  assert.equal(mirror.silentMs, 18_000);
  clock.advance(600_000);
  assert.equal(mirror.silentMs, 9_200);
});
