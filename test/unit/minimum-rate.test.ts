import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RateMeter } from '../../src/net/arriving-body.ts';

const RATE = { bytesPerSecond: 1_000, windowMs: 10_000 };

/** Feeds `bytes(ms)` every 100 ms and returns when the meter calls it too slow. */
function tooSlowAfter(meter: RateMeter, bytes: (ms: number) => number, untilMs: number): number | undefined {
  for (let ms = 100; ms <= untilMs; ms += 100) {
    meter.received(bytes(ms));
    if (meter.isTooSlow(ms)) return ms;
  }
  return undefined;
}

test('silence is noticed after one window, a drip of single bytes as well', () => {
  assert.equal(
    tooSlowAfter(new RateMeter(RATE, 0), () => 0, 60_000),
    10_000,
  );
  assert.equal(
    tooSlowAfter(new RateMeter(RATE, 0), () => 1, 60_000),
    10_000,
  );
});

test('silence after a fast start is noticed one window after the last byte', () => {
  const verdict = tooSlowAfter(new RateMeter(RATE, 0), (ms) => (ms <= 20_000 ? 50_000 : 0), 60_000);
  assert.ok(verdict !== undefined && verdict >= 30_000 && verdict <= 31_000, String(verdict));
});

test('a body that says single bytes is waited for longer than one that says nothing', () => {
  const rate = { bytesPerSecond: 1_000, windowMs: 60_000, silenceMs: 10_000 };
  const scanned = (ms: number): number => (ms > 40_000 ? 100_000 : ms % 2_000 === 0 ? 10 : 0);
  assert.equal(tooSlowAfter(new RateMeter(rate, 0), scanned, 60_000), undefined);
  assert.equal(
    tooSlowAfter(new RateMeter(rate, 0), () => 0, 60_000),
    10_000,
  );
  assert.equal(
    tooSlowAfter(new RateMeter(rate, 0), (ms) => (ms % 2_000 === 0 ? 10 : 0), 90_000),
    60_000,
  );
  const meter = new RateMeter(rate, 0);
  meter.pause();
  assert.equal(meter.isTooSlow(30_000), false);
  meter.resume(30_000);
  assert.equal(
    tooSlowAfter(meter, () => 0, 10_000),
    undefined,
  );
});

test('no rhythm that brings the minimum in every second is ever too slow', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 60, maxLength: 60 }), (places) => {
      const meter = new RateMeter(RATE, 0);
      const bytes = (ms: number): number => (places[Math.ceil(ms / 1000) - 1]! === (ms / 100 - 1) % 10 ? 1_000 : 0);
      assert.equal(tooSlowAfter(meter, bytes, 60_000), undefined);
    }),
  );
});

test('while the reader takes nothing, upstream is not to blame; afterwards a new window begins', () => {
  const meter = new RateMeter(RATE, 0);
  meter.pause();
  assert.equal(meter.isTooSlow(100_000), false);
  meter.resume(100_000);
  assert.equal(meter.isTooSlow(109_000), false);
  assert.equal(meter.isTooSlow(110_000), true);
});
