// The verdict of the supply-chain policy on a file: the order of the checks, what an exemption lifts, and until when.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type FileFacts, judge, kindOf, type ProjectFacts, reasonPhrase, refusalText } from '../../src/policy/judge.ts';
import { type Exemption, LIFTABLE, NO_POLICY, narrow, type Policy, wholeDenials } from '../../src/policy/policy.ts';
import { matchesProject, meets, parseReleasePattern } from '../../src/policy/release-pattern.ts';

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 11, 8, 12);
const PROJECT: ProjectFacts = { name: 'demo', quarantined: false, firstSince: Number.NEGATIVE_INFINITY };
const FILE: FileFacts = {
  filename: 'demo-2.0-py3-none-any.whl',
  version: '2.0',
  ripensFrom: NOW - DAY,
  hasUploadTime: true,
};

const release = (text: string) => parseReleasePattern(text)!;
const exemption = (from: Exemption['from'], until: number, text = 'demo'): Exemption => ({
  ...{ release: release(text), from, until, reason: undefined, by: undefined },
});
const rule = (more: Partial<Policy['rules'][number]>) => ({
  ...{ name: 'r', deny: [], allow: [], cooldownMs: undefined, projects: [], reason: undefined },
  ...more,
});

function verdict(policy: Partial<Policy>, file: Partial<FileFacts> = {}, project: Partial<ProjectFacts> = {}) {
  const view = narrow({ ...NO_POLICY, ...policy }, 'demo');
  return judge({ ...FILE, ...file }, { ...PROJECT, ...project }, view, NOW);
}

test('without a policy every file is visible, but what was pulled young is denied', () => {
  assert.deepEqual(verdict({}), { verdict: 'visible', until: Number.POSITIVE_INFINITY });
  const young = { departed: { at: NOW - DAY, since: NOW - 2 * DAY } };
  assert.equal(verdict({}, young).verdict, 'denied');
  const old = { departed: { at: NOW - DAY, since: NOW - 30 * DAY } };
  assert.equal(verdict({}, old).verdict, 'visible');
});

test('a file is held until it is as old as the cooldown, to the millisecond', () => {
  const held = verdict({ cooldownMs: 7 * DAY });
  assert.deepEqual([held.verdict, held.until], ['held', NOW + 6 * DAY]);
  assert.equal(verdict({ cooldownMs: DAY }).verdict, 'visible');
  assert.equal(verdict({ cooldownMs: DAY + 1 }).verdict, 'held');
});

test('the longest cooldown of the rules that name the project replaces the general one, shorter or longer', () => {
  const rules = [
    rule({ name: 'early', cooldownMs: 1, projects: [release('demo')] }),
    rule({ name: 'other', cooldownMs: 90 * DAY, projects: [release('other')] }),
  ];
  assert.equal(verdict({ cooldownMs: 7 * DAY, rules }).verdict, 'visible');
  const longer = [...rules, rule({ name: 'late', cooldownMs: 30 * DAY, projects: [release('de*')] })];
  const held = verdict({ cooldownMs: 7 * DAY, rules: longer });
  assert.ok(held.verdict === 'held' && held.ruleName === 'late');
});

test('a deny beats an allow, quarantine beats every exemption, and each check can be lifted alone', () => {
  const policy = {
    default: 'deny' as const,
    rules: [rule({ name: 'vetted', allow: [release('demo')] }), rule({ name: 'no', deny: [release('demo>=2')] })],
  };
  const denied = verdict(policy);
  assert.ok(denied.verdict === 'denied' && denied.rule === 'deny' && denied.ruleName === 'no');
  assert.equal(verdict(policy, { version: '1.0' }).verdict, 'visible');
  assert.equal(verdict({ ...policy, exempt: [exemption(['deny'], NOW + 1)] }).verdict, 'visible');
  assert.equal(verdict({ ...policy, exempt: [exemption(['deny'], NOW)] }).verdict, 'denied', 'it has ended');
  assert.equal(verdict({ ...policy, exempt: [exemption(['cooldown'], NOW + 1)] }).verdict, 'denied', 'another check');
  const all = { exempt: [exemption(LIFTABLE, Number.POSITIVE_INFINITY)] };
  assert.equal(verdict(all, {}, { quarantined: true }).verdict, 'denied');
});

test('kinds of files, new projects and missing upload times are judged as configured', () => {
  assert.equal(verdict({ files: { sdist: 'refuse' } }, { filename: 'demo-2.0.tar.gz' }).verdict, 'denied');
  assert.equal(verdict({ files: { sdist: 'refuse' } }).verdict, 'visible');
  const young = { firstSince: NOW - DAY };
  assert.equal(verdict({ newProjectsMs: 30 * DAY }, {}, young).until, NOW + 29 * DAY);
  const unknown = { hasUploadTime: false };
  assert.equal(verdict({ cooldownMs: DAY + 1, missingTime: 'allow' }, unknown).verdict, 'visible');
  const forever = verdict({ cooldownMs: 1, missingTime: 'hold' }, unknown);
  assert.deepEqual([forever.verdict, forever.until], ['held', Number.POSITIVE_INFINITY]);
  assert.equal(kindOf('Demo-1.0-py3.11.EGG'), 'egg');
});

test('release patterns are names with stars and PEP 440 specifiers', () => {
  assert.ok(matchesProject(release('Evil_*'), 'evil-thing'));
  assert.ok(!matchesProject(release('evil-*'), 'evil'));
  for (const bad of ['', 'foo bar', 'foo>=', 'foo>=x.y', 'foo ~=1', 'a;b', '>=2']) {
    assert.equal(parseReleasePattern(bad), undefined, bad);
  }
  const cases: readonly [string, string, boolean][] = [
    ['2.3', '>=2,<2.4', true],
    ['2.4', '>=2,<2.4', false],
    ['2.4rc1', '>=2,<2.4', false],
    ['1.0.post1', '>1.0', false],
    ['1.0+local', '==1.0', true],
    ['1.5', '==1.*', true],
    ['odd', '>=0', false],
    ['odd', '===odd', true],
    ['odd', '', true],
  ];
  for (const [version, specifier, expected] of cases) {
    assert.equal(meets(version, specifier), expected, `${version} ${specifier}`);
  }
});

test('a whole project is denied by a rule without versions, and not in report mode', () => {
  const rules = [rule({ deny: [release('demo')] })];
  assert.equal(wholeDenials({ ...NO_POLICY, rules }).length, 1);
  assert.deepEqual(wholeDenials({ ...NO_POLICY, rules, mode: 'report' }), []);
  assert.deepEqual(wholeDenials({ ...NO_POLICY, rules: [rule({ deny: [release('demo>1')] })] }), []);
});

test('the digest of a view changes with what concerns the project, and with nothing else', () => {
  const digest = (policy: Partial<Policy>) => narrow({ ...NO_POLICY, ...policy }, 'demo').digest;
  const other = { rules: [rule({ deny: [release('other')] })], exempt: [exemption(['deny'], 5, 'other')] };
  assert.equal(digest({}), digest(other));
  assert.notEqual(digest({}), digest({ cooldownMs: 1 }));
  assert.notEqual(digest({}), digest({ exempt: [exemption(['deny'], Number.POSITIVE_INFINITY)] }));
});

test('a refusal says what, until when, why and whom to ask, in printable ASCII of 160 characters', () => {
  const held = verdict({ cooldownMs: 7 * DAY });
  assert.ok(held.verdict === 'held');
  assert.equal(
    refusalText(held, 'demo 2.0', 'security@example'),
    'demo 2.0 is held until 2026-12-14T12:00Z (cooldown 7d); security@example',
  );
  const long = reasonPhrase(refusalText({ ...held, reason: 'ü\r\na'.repeat(200) }, 'demo 2.0', undefined));
  assert.match(long, /^[\x20-\x7e]{160}$/);
});

const policies = fc.record({
  cooldownMs: fc.constantFrom(0, 1, DAY, 7 * DAY),
  newProjectsMs: fc.constantFrom(0, 3 * DAY),
  missingTime: fc.constantFrom('first_seen', 'hold', 'allow'),
  default: fc.constantFrom('allow', 'deny'),
  files: fc.constantFrom({}, { wheel: 'refuse' }),
  rules: fc.subarray([
    rule({ name: 'no', deny: [release('demo>=2')] }),
    rule({ name: 'vetted', allow: [release('demo')] }),
    rule({ name: 'early', cooldownMs: 5, projects: [release('demo')] }),
  ]),
  exempt: fc.array(
    fc
      .record({ from: fc.subarray([...LIFTABLE]), ends: fc.integer({ min: -5, max: 9 }) })
      .map(({ from, ends }) => exemption(from, NOW + ends * DAY)),
    { maxLength: 3 },
  ),
}) as fc.Arbitrary<Partial<Policy>>;
const files = fc.record({
  version: fc.constantFrom('1.0', '2.0', undefined),
  hasUploadTime: fc.boolean(),
  ripensFrom: fc.integer({ min: -9, max: 1 }).map((days) => NOW + days * DAY),
}) as fc.Arbitrary<Partial<FileFacts>>;

test('until is exactly the next change, and a longer cooldown never shows more', () => {
  fc.assert(
    fc.property(policies, files, fc.integer({ min: -6, max: 1 }), (policy, file, first) => {
      const project = { ...PROJECT, firstSince: NOW + first * DAY };
      const view = narrow({ ...NO_POLICY, ...policy }, 'demo');
      const at = (now: number) => judge({ ...FILE, ...file }, project, view, now);
      const kind = (now: number) => at(now).verdict;
      const { until } = at(NOW);
      for (const later of [NOW, NOW + DAY / 2, NOW + 3 * DAY, NOW + 20 * DAY, until - 1]) {
        if (later >= NOW && later < until && Number.isFinite(later)) assert.equal(kind(later), kind(NOW));
      }
      if (Number.isFinite(until)) assert.notDeepEqual(kind(until), kind(NOW));
      const longer = narrow({ ...NO_POLICY, ...policy, cooldownMs: (policy.cooldownMs ?? 0) + DAY }, 'demo');
      if (kind(NOW) !== 'visible') {
        assert.notEqual(judge({ ...FILE, ...file }, project, longer, NOW).verdict, 'visible');
      }
    }),
    { numRuns: 2_000 },
  );
});
