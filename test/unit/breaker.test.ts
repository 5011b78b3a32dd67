import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Breaker, type Permit } from '../../src/core/breaker.ts';
import { FakeClock } from '../support/clock/clock.ts';

function breaker(clock: FakeClock, random = 0.5): Breaker {
  return new Breaker({ now: clock.now, random: () => random });
}

/** Opens the circuit, for a reason that was counted elsewhere. */
function open(subject: Breaker): void {
  subject.trip();
}

test('failures of ordinary requests open nothing by themselves', () => {
  const subject = breaker(new FakeClock());
  for (let i = 0; i < 100; i += 1) subject.failed(subject.begin()!);
  assert.equal(subject.state, 'closed');
  subject.trip();
  assert.equal(subject.state, 'open');
  assert.equal(subject.begin(), undefined);
});

test('lets one probe through after 5 s; the waits double to 25 s while probes fail', () => {
  const clock = new FakeClock();
  const subject = breaker(clock);
  open(subject);
  for (const wait of [5_000, 10_000, 20_000, 25_000, 25_000]) {
    clock.advance(wait - 1);
    assert.equal(subject.begin(), undefined, `asked before ${wait} ms`);
    clock.advance(1);
    const probe = subject.begin();
    assert.deepEqual(probe, { probe: true });
    assert.equal(subject.begin(), undefined, 'a second probe beside the first');
    subject.failed(probe!);
  }
});

test('the next probe is due 25 s after the last one began, however long that one took to fail', () => {
  const clock = new FakeClock();
  const subject = breaker(clock);
  open(subject);
  for (const wait of [5_000, 10_000, 20_000]) {
    clock.advance(wait);
    subject.failed(subject.begin()!);
  }
  clock.advance(25_000);
  const slow = subject.begin()!;
  clock.advance(9_500);
  subject.failed(slow);
  clock.advance(15_500);
  assert.ok(subject.begin());
});

test('a probe that succeeds closes the circuit, and the next outage begins with the short wait again', () => {
  const clock = new FakeClock();
  const subject = breaker(clock);
  open(subject);
  clock.advance(5_000);
  subject.failed(subject.begin()!);
  clock.advance(10_000);
  subject.succeeded(subject.begin()!);
  assert.equal(subject.state, 'closed');
  open(subject);
  clock.advance(5_000);
  assert.ok(subject.begin());
});

test('an answer to a request that was sent before the circuit opened does not close it', () => {
  const clock = new FakeClock();
  const subject = breaker(clock);
  const early = subject.begin()!;
  open(subject);
  subject.succeeded(early);
  assert.equal(subject.state, 'open');
});

test('a pause that the server asked for is kept to the millisecond and ends with a probe', () => {
  const clock = new FakeClock();
  const subject = breaker(clock);
  subject.pause(120_000);
  subject.pause(1_000);
  clock.advance(119_999);
  assert.equal(subject.begin(), undefined);
  clock.advance(1);
  assert.deepEqual(subject.begin(), { probe: true });
});

test('a probe that was given up, or never reported, makes room for another', () => {
  const clock = new FakeClock();
  const subject = breaker(clock);
  open(subject);
  clock.advance(5_000);
  subject.abandoned(subject.begin()!);
  assert.ok(subject.begin(), 'after one that was given up');
  clock.advance(30_000);
  assert.ok(subject.begin(), 'after one that was lost');
});

test('whatever happens, an open circuit is probed within 25 s, one request at a time', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('advance' as const), ms: fc.integer({ min: 0, max: 40_000 }) }),
    fc.record({ kind: fc.constantFrom('begin', 'succeed', 'fail', 'abandon', 'trip'), ms: fc.constant(0) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.double({ min: 0, max: 0.999, noNaN: true }), (steps, random) => {
      const clock = new FakeClock();
      const subject = breaker(clock, random);
      const held: Permit[] = [];
      let probe: { readonly permit: Permit; readonly since: number } | undefined;
      for (const { kind, ms } of steps) {
        if (kind === 'advance') clock.advance(ms);
        else if (kind === 'trip') subject.trip();
        else if (kind === 'begin') {
          const permit = subject.begin();
          if (permit?.probe === true) {
            const lost = probe !== undefined && clock.now() - probe.since > 24_999;
            assert.ok(probe === undefined || lost, 'two probes at a time');
            probe = { permit, since: clock.now() };
          }
          if (permit !== undefined) held.push(permit);
        } else {
          const permit = held.pop();
          if (permit === undefined) continue;
          if (permit === probe?.permit) probe = undefined;
          if (kind === 'succeed') subject.succeeded(permit);
          else if (kind === 'fail') subject.failed(permit);
          else subject.abandoned(permit);
        }
        assert.ok(subject.nextTry - clock.now() <= 25_000, 'waits longer than 25 s');
      }
      clock.advance(60_000);
      assert.ok(subject.begin(), 'never asked again');
    }),
  );
});
