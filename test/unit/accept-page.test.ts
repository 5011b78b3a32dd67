import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Judgement } from '../../src/cache/profile.ts';
import { contradictsPage, judgePage } from '../../src/index/accept-page.ts';
import type { PageFacts } from '../../src/pages/page.ts';
import type { Doubt, Entry } from '../../src/store/entries/entry.ts';

const NOW = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;

function entry(status: number, facts?: Partial<PageFacts>): Entry {
  const head = { status, fields: [], url: 'https://index.example/simple/foo/', varying: [], source: 'test' };
  const times = { requestTime: NOW, responseTime: NOW };
  return { ...head, ...times, ...(facts === undefined ? {} : { facts: { files: 1, apiVersion: '1.0', ...facts } }) };
}

/** The judgements on the same candidate, given once every `everyMs` until it is believed or `times` are over. */
function insisting(held: Entry, candidate: Entry, everyMs: number, times: number): Judgement[] {
  const judgements: Judgement[] = [];
  let doubt: Doubt | undefined;
  for (let i = 0; i < times; i += 1) {
    const now = NOW + i * everyMs;
    const judgement = judgePage(held, candidate, doubt, now);
    judgements.push(judgement);
    if (judgement.kind !== 'recheck') break;
    const same = doubt?.claim === judgement.claim ? doubt : undefined;
    doubt = {
      claim: judgement.claim,
      firstSeen: same?.firstSeen ?? now,
      lastSeen: now,
      count: (same?.count ?? 0) + 1,
    };
  }
  return judgements;
}

const kinds = (judgements: readonly Judgement[]) => judgements.map(({ kind }) => kind);

describe('a new answer replaces the held page', () => {
  const PLAYS: Readonly<Record<string, readonly [Entry, Entry]>> = {
    'that was a 404': [entry(404), entry(200, {})],
    'when its serial has risen': [entry(200, { serial: 5 }), entry(200, { serial: 6 })],
    'when its serial is the same': [entry(200, { serial: 5 }), entry(200, { serial: 5 })],
    'when it has lost its serial': [entry(200, { serial: 5 }), entry(200, {})],
    'when its serial is lower and it says the same': [
      entry(200, { serial: 5 }),
      entry(200, { serial: 4, agreed: true }),
    ],
    'when neither has a serial': [entry(200, {}), entry(200, {})],
    'when only the new one has a serial': [entry(200, {}), entry(200, { serial: 5 })],
    'when it is blank with a higher serial': [entry(200, { serial: 5 }), entry(200, { serial: 6, files: 0 })],
    'when both are blank': [entry(200, { files: 0 }), entry(200, { files: 0 })],
    'when it is a quarantine, of any serial': [
      entry(200, { serial: 5 }),
      entry(200, { serial: 4, files: 0, status: 'quarantined' }),
    ],
    'of which nothing is known': [entry(200), entry(200, { files: 0 })],
  };
  for (const [name, [held, candidate]] of Object.entries(PLAYS)) {
    it(name, () => assert.deepEqual(judgePage(held, candidate, undefined, NOW), { kind: 'replace' }));
  }
});

describe('a new answer is believed when it is repeated', () => {
  it('a minute later, if it says that the project is gone', () => {
    for (const status of [404, 410]) {
      const judgements = insisting(entry(200, { serial: 5 }), entry(status), MINUTE, 3);
      assert.deepEqual(kinds(judgements), ['recheck', 'replace']);
      assert.equal((judgements[0] as Extract<Judgement, { kind: 'recheck' }>).afterMs, 20_000);
    }
  });

  it('a minute later, not sooner, however often', () => {
    const judgements = insisting(entry(200, {}), entry(404), 1_000, 100);
    assert.equal(judgements.length, 61);
    assert.equal(judgements.at(-1)!.kind, 'replace');
  });

  it('a minute later, if it is blank without a higher serial', () => {
    for (const [before, after] of [
      [{}, {}],
      [{ serial: 5 }, { serial: 5 }],
    ] as const) {
      const judgements = insisting(entry(200, before), entry(200, { ...after, files: 0 }), MINUTE, 3);
      assert.deepEqual(kinds(judgements), ['recheck', 'replace']);
    }
  });

  it('for half an hour, three times at least, if it is older', () => {
    const judgements = insisting(entry(200, { serial: 5 }), entry(200, { serial: 4 }), MINUTE, 60);
    assert.equal(judgements.length, 31);
    const rare = insisting(entry(200, { serial: 5 }), entry(200, { serial: 4 }), 40 * MINUTE, 60);
    assert.deepEqual(kinds(rare), ['recheck', 'recheck', 'replace']);
  });

  it('a minute later, if one of the two serials is beyond belief', () => {
    for (const [before, after] of [
      [5, 2 ** 53 - 1],
      [2 ** 53 - 1, 5],
      [30_000_000, 1_000_000_000],
    ] as const) {
      const judgements = insisting(entry(200, { serial: before }), entry(200, { serial: after }), MINUTE, 3);
      assert.deepEqual(kinds(judgements), ['recheck', 'replace'], `${before} ${after}`);
    }
  });

  it('by the same claim: another one begins anew', () => {
    const held = entry(200, { serial: 5 });
    const missing = judgePage(held, entry(404), undefined, NOW) as Extract<Judgement, { kind: 'recheck' }>;
    const doubt = { claim: missing.claim, firstSeen: NOW - 10 * MINUTE, lastSeen: NOW, count: 9 };
    const blank = judgePage(held, entry(200, { serial: 5, files: 0 }), doubt, NOW);
    assert.equal(blank.kind, 'recheck');
    assert.notEqual((blank as typeof missing).claim, missing.claim);
  });
});

it('a 304 contradicts the held page by another serial than it came with', () => {
  const said = (serial?: string) => ({
    status: 304,
    fields: serial === undefined ? [] : ['x-pypi-last-serial', serial],
  });
  for (const serial of ['4', '6']) assert.equal(contradictsPage(entry(200, { serial: 5 }), said(serial)), true, serial);
  for (const serial of [undefined, '5', 'none', '-1']) {
    assert.equal(contradictsPage(entry(200, { serial: 5 }), said(serial)), false, serial);
  }
  assert.equal(contradictsPage(entry(200, {}), said('4')), false);
  // A page may name another serial than the field: the field has not changed.
  const named = { ...entry(200, { serial: 5 }), fields: ['x-pypi-last-serial', '7'] };
  assert.deepEqual([contradictsPage(named, said('7')), contradictsPage(named, said('8'))], [false, true]);
});
