import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { asConfigured, byLatency, type Candidate, leaderOf, REMEASURE_MS } from '../../src/upstream/mirror-order.ts';

const NOW = 1_000_000_000;

interface Named extends Candidate {
  readonly name: string;
}

function mirror(name: string, latencyMs: number | undefined, change: Partial<Candidate> = {}): Named {
  return { name, latencyMs, isDemoted: false, lastAsked: NOW - 1_000, ...change };
}

const names = (mirrors: readonly Named[]) => mirrors.map(({ name }) => name).join(' ');

test('the fastest leads; one that is a little faster does not take the lead, one that is clearly faster does', () => {
  const [a, b, c] = [mirror('a', 40), mirror('b', 31), mirror('c', 29)];
  assert.equal(leaderOf([a, b, c], undefined).name, 'c');
  assert.equal(leaderOf([a, b], a).name, 'a');
  assert.equal(leaderOf([a, c], a).name, 'c');
  // Near by, a share of the time is too little to be sure of.
  assert.equal(leaderOf([mirror('near', 4), mirror('nearer', 0.5)], undefined).name, 'nearer');
  const near = mirror('near', 4);
  assert.equal(leaderOf([near, mirror('nearer', 0.5)], near).name, 'near');
});

test('a leader that is demoted or was never measured gives the lead to any that is fit', () => {
  const demoted = mirror('a', 10, { isDemoted: true });
  const slow = mirror('b', 500);
  const silent = mirror('c', undefined);
  assert.equal(leaderOf([demoted, slow], demoted).name, 'b');
  assert.equal(leaderOf([silent, slow], silent).name, 'b');
  assert.equal(leaderOf([demoted], demoted).name, 'a');
  assert.equal(leaderOf([mirror('a', undefined), mirror('b', undefined)], undefined).name, 'a');
});

test('one that was not asked lately is asked once, then the leader, then by latency, the demoted last', () => {
  const lead = mirror('lead', 20);
  const others = [
    mirror('demoted', 1, { isDemoted: true, lastAsked: undefined }),
    mirror('silent', undefined),
    mirror('slow', 300),
    lead,
    mirror('quick', 18),
  ];
  assert.equal(names(byLatency(others, lead, NOW)), 'lead quick slow silent demoted');
  const due = mirror('due', 900, { lastAsked: NOW - REMEASURE_MS });
  assert.equal(names(byLatency([...others, due], lead, NOW)), 'due lead quick slow silent demoted');
  const unknown = mirror('unknown', undefined, { lastAsked: undefined });
  assert.equal(names(byLatency([lead, unknown], lead, NOW)), 'unknown lead');
});

test('as configured but for the demoted ones, whatever was measured', () => {
  const mirrors = [mirror('a', 900, { isDemoted: true }), mirror('b', 500), mirror('c', 1, { lastAsked: undefined })];
  assert.equal(names(asConfigured(mirrors)), 'b c a');
});

test('two equally fast mirrors whose answers scatter by half do not alternate', () => {
  fc.assert(
    fc.property(fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })), (noise) => {
      const average = [40, 40];
      let [leader, changes] = [0, 0];
      for (let i = 0; i < 500; i += 1) {
        const mirrors = average.map((latencyMs, at) => mirror(String(at), latencyMs));
        const next = Number(leaderOf(mirrors, mirrors[leader]).name);
        if (next !== leader) changes += 1;
        leader = next;
        const sample = 40 * (0.5 + noise.next().value);
        average[leader]! += 0.2 * (sample - average[leader]!);
      }
      assert.ok(changes <= 5, `${changes} changes of the lead`);
    }),
    { numRuns: 50 },
  );
});
