// The parts of the status page as pure functions: what they say, and what they never say.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { installerVariables } from '../../src/commands/env.ts';
import { EVENT_KINDS } from '../../src/observe/events.ts';
import { Traffic } from '../../src/observe/traffic.ts';
import { publicSentence } from '../../src/status-page/events.ts';
import type { StatusFacts } from '../../src/status-page/facts.ts';
import { noticesOf } from '../../src/status-page/glance.ts';
import { factsOfTheGone, mergeFacts } from '../../src/status-page/merge-facts.ts';
import { statusPageHtml } from '../../src/status-page/page.ts';
import { SETTINGS, settingsHtml } from '../../src/status-page/settings.ts';
import { healthOf, upstreamsHtml } from '../../src/status-page/upstreams.ts';
import { durationText, shareText } from '../../src/status-page/wording.ts';
import type { MirrorStatus } from '../../src/upstream/mirror.ts';

const NOW = Date.UTC(2026, 10, 22, 21, 5);
const MIRROR: MirrorStatus = {
  url: 'https://index.example/s3cret/simple/',
  state: 'closed',
  since: NOW - 1_000_000,
  nextTry: NOW,
  lastSuccess: NOW - 5_000,
  lastFailure: undefined,
  lastRefusal: undefined,
  latencyMs: 12.4,
  leads: true,
};
const AWAY: MirrorStatus = {
  ...MIRROR,
  state: 'open',
  since: NOW - 300_000,
  nextTry: NOW + 17_000,
  lastFailure: { kind: 'timeout', time: NOW - 13_000 },
};

function facts(change: Partial<StatusFacts> = {}): StatusFacts {
  const traffic = new Traffic();
  return {
    version: '0.1.0',
    now: NOW,
    startedAt: NOW - 7_200_000,
    processes: [{ pid: 1, startedAt: NOW - 7_200_000, fetches: 0 }],
    isElsewhere: false,
    limitsNames: false,
    publicUrl: undefined,
    indexes: [{ name: 'default', mirrors: [MIRROR] }],
    minutes: traffic.minutes(NOW),
    hours: traffic.hours(NOW),
    days: traffic.days(NOW),
    served: [],
    stalePaths: [],
    hottest: [],
    slowest: [],
    oldestStaleSeconds: 0,
    store: {
      bytes: 1,
      count: 1,
      records: 1,
      quotaBytes: 1000,
      freeBytes: undefined,
      paused: false,
      evictions: { count: 0, bytes: 0 },
    },
    drills: [],
    redis: 'off',
    events: [],
    ...change,
  };
}
const page = (change?: Partial<StatusFacts>) => statusPageHtml(facts(change), { style: 's.css', script: 's.js' });
const texts = (change: Partial<StatusFacts>) => noticesOf(facts(change)).map(({ weight }) => weight);

test('an upstream is told with its host alone, since when it is away, why, and when it is asked again', () => {
  const html = upstreamsHtml(facts({ indexes: [{ name: 'default', mirrors: [AWAY] }] }));
  assert.ok(!html.includes('s3cret'));
  const text = html.replace(/<[^>]*>/g, ' ').replace(/ +/g, ' ');
  assert.match(text, /index\.example index default \n away since 5 min \(timeout\); asked again in 17 s/);
});

test('health is a closed list of words', () => {
  assert.equal(healthOf(MIRROR).word, 'answers');
  assert.equal(healthOf({ ...MIRROR, lastSuccess: undefined }).word, 'not asked yet');
  assert.equal(healthOf({ ...MIRROR, lastFailure: { kind: 'reset', time: NOW } }).word, 'failing');
  assert.equal(healthOf({ ...MIRROR, lastFailure: { kind: 'reset', time: NOW - 60_000 } }).word, 'answers');
  assert.equal(healthOf({ ...AWAY, state: 'half-open' }).word, 'away');
});

test('all is well only when nothing is wrong, and the worst comes first', () => {
  assert.deepEqual(texts({}), ['good']);
  assert.deepEqual(texts({ indexes: [{ name: 'a', mirrors: [AWAY] }] }), ['bad']);
  assert.deepEqual(texts({ indexes: [{ name: 'a', mirrors: [AWAY, MIRROR] }] }), ['warning']);
  const failing = { ...MIRROR, lastFailure: { kind: 'reset', time: NOW } } as const;
  assert.deepEqual(texts({ indexes: [{ name: 'a', mirrors: [failing] }] }), ['warning']);
  assert.deepEqual(texts({ redis: 'down' }), ['warning']);
  const store = { ...facts().store, paused: true };
  assert.deepEqual(
    texts({ stalePaths: [{ path: '/simple/a/', answers: 1, lastAt: NOW }], oldestStaleSeconds: 60, store }),
    ['bad', 'warning'],
  );
});

test('answers that failed are never well: some are a warning, more than one in twenty are trouble, for 15 minutes', () => {
  const noticesAfter = (failed: number, answers: number, laterMs = 0) => {
    const traffic = new Traffic();
    for (let i = 0; i < answers; i++) {
      traffic.note({ time: NOW - i * 1_000, kind: 'page', outcome: i < failed ? 'failed' : 'hit', bytes: 10 });
    }
    const now = NOW + laterMs;
    return noticesOf(facts({ now, minutes: traffic.minutes(now), days: traffic.days(now) }));
  };
  assert.deepEqual(noticesAfter(0, 40), [{ weight: 'good', text: 'All is well.' }]);
  const [half] = noticesAfter(20, 40);
  assert.equal(half!.weight, 'bad');
  assert.match(half!.text, /^20 of 40 answers \(50 %\) failed in the last 15 min\. The events below/);
  assert.deepEqual(noticesAfter(1, 40)[0]!.weight, 'warning');
  assert.deepEqual(noticesAfter(2, 40)[0]!.weight, 'warning');
  assert.deepEqual(noticesAfter(3, 40)[0]!.weight, 'bad');
  assert.deepEqual(noticesAfter(20, 40, 14 * 60_000)[0]!.weight, 'bad');
  assert.deepEqual(noticesAfter(20, 40, 15 * 60_000), [{ weight: 'good', text: 'All is well.' }]);
});

test('wrong bytes and changed hashes are trouble for an hour', () => {
  for (const kind of ['integrity', 'changed-digest'] as const) {
    const noticesAt = (now: number) => noticesOf(facts({ now, events: [{ kind, message: 'what', at: NOW }] }));
    assert.deepEqual(
      noticesAt(NOW).map(({ weight }) => weight),
      ['bad'],
    );
    assert.match(noticesAt(NOW)[0]!.text, /^1 time in the last hour/);
    assert.equal(noticesAt(NOW + 3_600_000)[0]!.weight, 'good');
  }
});

test('several processes are told of as one: counts are added, the newest word on an upstream holds, the same event is one', () => {
  const start = { kind: 'start', message: 'started', at: NOW - 7_200_000 } as const;
  const traffic = new Traffic();
  traffic.note({ time: NOW, kind: 'page', outcome: 'hit', bytes: 10 });
  const one = facts({
    days: traffic.days(NOW),
    served: [{ day: '2026-11-22', pages: 1, files: 2, metadata: 3, bytes: 4 }],
    stalePaths: [{ path: '/simple/a/', answers: 2, lastAt: NOW - 5 }],
    hottest: [
      { path: '/simple/b/', answers: 2 },
      { path: '/simple/a/', answers: 1 },
    ],
    events: [start],
  });
  const other = facts({
    startedAt: NOW - 60_000,
    processes: [{ pid: 2, startedAt: NOW - 60_000, fetches: 3 }],
    indexes: [{ name: 'default', mirrors: [AWAY] }],
    days: traffic.days(NOW),
    served: [{ day: '2026-11-22', pages: 1, files: 1, metadata: 1, bytes: 1 }],
    stalePaths: [{ path: '/simple/a/', answers: 1, lastAt: NOW }],
    hottest: [{ path: '/simple/a/', answers: 4 }],
    store: { ...facts().store, paused: true, evictions: { count: 1, bytes: 5 } },
    redis: 'down',
    events: [
      { kind: 'error', message: 'what', at: NOW },
      { ...start, at: start.at + 200 },
    ],
  });
  const both = mergeFacts([one, other]);
  assert.deepEqual([both.startedAt, both.processes.map(({ pid }) => pid)], [one.startedAt, [1, 2]]);
  assert.deepEqual([both.days.at(-1)!.answers, both.days.at(-1)!.savedBytes, both.days.length], [2, 20, 31]);
  assert.deepEqual(both.served, [{ day: '2026-11-22', pages: 2, files: 3, metadata: 4, bytes: 5 }]);
  assert.deepEqual(both.stalePaths, [{ path: '/simple/a/', answers: 3, lastAt: NOW }]);
  assert.deepEqual(both.hottest, [
    { path: '/simple/a/', answers: 5 },
    { path: '/simple/b/', answers: 2 },
  ]);
  assert.deepEqual([both.store.paused, both.store.evictions.count, both.store.bytes, both.redis], [true, 1, 1, 'down']);
  assert.deepEqual(
    both.events.map(({ kind }) => kind),
    ['error', 'start'],
  );
  // Which of the two processes asked last decides, whichever answers.
  const well = { ...MIRROR, lastSuccess: NOW };
  const mirror = (first: MirrorStatus, second: MirrorStatus) =>
    mergeFacts([
      facts({ indexes: [{ name: 'default', mirrors: [first] }] }),
      facts({ indexes: [{ name: 'default', mirrors: [second] }] }),
    ]).indexes[0]!.mirrors;
  assert.deepEqual([mirror(well, AWAY), mirror(AWAY, well)], [[well], [well]]);
  // Of one that is gone what it did remains, not how it was.
  const after = mergeFacts([one, factsOfTheGone(other)]);
  assert.deepEqual(
    [after.days.at(-1)!.answers, after.store.evictions.count, after.store.paused, after.redis],
    [2, 1, false, 'off'],
  );
  assert.deepEqual([after.processes.length, after.stalePaths[0]!.answers], [1, 2]);
});

test('no event of any kind names a project or says its own sentence to everybody', () => {
  for (const kind of EVENT_KINDS) {
    const event = { kind, message: 'secret-project was here', at: NOW, project: 'secret-project' };
    assert.ok(publicSentence(event).length > 3);
    assert.ok(!page({ events: [event] }).includes('secret-project'), kind);
  }
});

test('whatever stands in a value, it is text', () => {
  const hostile = '<img src=x onerror="alert(1)">\'&';
  const html = page({
    version: hostile,
    indexes: [
      { name: hostile, mirrors: [MIRROR, AWAY] },
      { name: 'b', mirrors: [AWAY] },
    ],
    events: [{ kind: 'upstream-down', message: hostile, at: NOW, upstream: hostile }],
  });
  assert.ok(!html.includes('<img'));
  assert.ok(html.includes('&lt;img src=x onerror=&quot;alert(1)&quot;&gt;&#x27;&amp;'));
});

test('the box for a shell sets the variables that wheelkeep env sets', () => {
  for (const [url, host, plainHttp] of [
    ['http://wheelkeep:5030/', 'wheelkeep', true],
    ['https://wheels.example/cache/', 'wheels.example', false],
    ['http://127.0.0.1:5030/', '127.0.0.1', false],
  ] as const) {
    const lines = SETTINGS.find(({ id }) => id === 'shell')!.lines.filter((line) => plainHttp || !line.plainHttp);
    assert.deepEqual(
      lines.map(({ text }) => text.replace('{index}', `${url}simple/`).replace('{host}', host)),
      Object.entries(installerVariables(url)).map(([name, value]) => `export ${name}='${value}'`),
    );
  }
});

test('without a script the box has the public address, or says what to put in', () => {
  const known = settingsHtml('https://wheels.example/cache/', false);
  assert.ok(known.includes('https://wheels.example/cache/simple/'));
  assert.match(known, /<span data-line="[^"]*trusted-host[^>]* hidden>/);
  assert.ok(!known.includes('this address'));
  const unknown = settingsHtml(undefined, false);
  assert.ok(unknown.includes('http://&lt;this address&gt;/simple/'));
  assert.match(unknown, /Put the address of this page in the place of/);
  const elsewhere = settingsHtml(undefined, true);
  assert.match(elsewhere, /Put the address of the index in the place of .* data-elsewhere>/s);
});

test('every label, caption and heading that the page refers to is there, once', () => {
  const html = page({ events: [{ kind: 'start', message: 'started', at: NOW }] });
  const ids = [...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
  assert.equal(new Set(ids).size, ids.length);
  for (const [, id] of html.matchAll(/ (?:for|aria-labelledby|aria-describedby)="([^"]+)"/g)) {
    assert.ok(ids.includes(id), id);
  }
  assert.equal(html.match(/<table/g)?.length, html.match(/<caption>/g)?.length);
  assert.equal(html.match(/<h1/g)?.length, 1);
});

test('a busy month is drawn within the frame', () => {
  const traffic = new Traffic();
  for (let i = 31 * 24 - 1; i >= 0; i--) {
    const time = NOW - i * 3_600_000;
    for (const outcome of ['hit', 'miss', 'failed', 'stale-if-error'] as const) {
      traffic.note({ time, kind: 'page', outcome, bytes: 1000 });
    }
  }
  const html = page({ hours: traffic.hours(NOW), days: traffic.days(NOW) });
  const bars = [...html.matchAll(/<rect class="(\w+)" x="([\d.]+)" y="([\d.-]+)" width="8" height="([\d.]+)"/g)];
  assert.equal(bars.length, (24 + 31) * 3);
  for (const [, , , y, height] of bars) {
    assert.ok(Number(y) >= 0 && Number(y) + Number(height) <= 100.02, `${y} ${height}`);
  }
  assert.match(html, /<title>21:00: 4 answers, 50 % from the cache<\/title>/);
});

test('the page is rendered in less than 5 ms', () => {
  const mirrors = Array.from({ length: 10 }, () => AWAY);
  const indexes = Array.from({ length: 5 }, (_, i) => ({ name: `index${i}`, mirrors }));
  const times = Array.from({ length: 51 }, () => {
    const start = performance.now();
    page({ indexes });
    return performance.now() - start;
  });
  assert.ok(times.sort((a, b) => a - b)[25]! < 5, `median ${times[25]} ms`);
});

test('figures never round to all or to nothing', () => {
  assert.deepEqual(
    [shareText(0, 0), shareText(0, 5), shareText(1, 3), shareText(9999, 10_000), shareText(1, 10_000), shareText(5, 5)],
    ['–', '0 %', '33 %', '> 99 %', '< 1 %', '100 %'],
  );
  assert.deepEqual([0, 119_000, 130_000, 7_200_000, 172_800_000].map(durationText), [
    '0 s',
    '119 s',
    '2 min',
    '2 h',
    '2 days',
  ]);
});
