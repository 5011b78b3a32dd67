// The top of the page: is everything well, and if not, what; then the four figures that people ask for.

import type { EventKind } from '../observe/events.ts';
import { bytesText, countText } from '../observe/figures.ts';
import { RECENT_MINUTES, sumOf } from '../observe/traffic.ts';
import { escapeHtml } from '../pages/render-html.ts';
import type { MirrorStatus } from '../upstream/mirror.ts';
import type { StatusFacts } from './facts.ts';
import { healthOf } from './upstreams.ts';
import { agoHtml, durationText, shareText } from './wording.ts';

/** One sentence and how much it matters. */
export interface Notice {
  readonly weight: 'good' | 'warning' | 'bad';
  readonly text: string;
}

/** Of so many answers, more failures than this are trouble: the share at which the alert WheelkeepInstallsFail fires. */
const FAILED_SHARE = 0.05;
/** How long a rejected body or a changed hash stays at the top of the page, in milliseconds. */
const INTEGRITY_MS = 3_600_000;

/** What is not as it should be, the worst first; one good word when there is nothing. */
export function noticesOf(facts: StatusFacts): Notice[] {
  const notices: Notice[] = [];
  for (const { name, mirrors } of facts.indexes) {
    const notice = upstreamNotice(mirrors, facts.indexes.length === 1 ? '' : ` of the index ${name}`);
    if (notice !== undefined) notices.push(notice);
  }
  notices.push(...failedNotice(facts), ...integrityNotices(facts));
  const { stalePaths, oldestStaleSeconds, store, redis } = facts;
  if (stalePaths.length > 0) {
    const age = oldestStaleSeconds > 0 ? `, the oldest confirmed ${durationText(oldestStaleSeconds * 1000)} ago` : '';
    notices.push({
      weight: 'warning',
      text: `${countText(stalePaths.length, 'page')} served from stale copies now${age}.`,
    });
  }
  if (store.paused) {
    notices.push({ weight: 'bad', text: 'The disk takes no bytes: everything is served, nothing new is kept.' });
  }
  if (redis === 'down') {
    notices.push({ weight: 'warning', text: 'Redis is away: this node works with what it knows by itself.' });
  }
  if (notices.length === 0) {
    const asked = sumOf(facts.days).answers > 0;
    const text = asked
      ? 'All is well.'
      : 'Ready; nobody has asked for anything yet. The settings for installers are below.';
    notices.push({ weight: 'good', text });
  }
  return notices.sort((a, b) => Number(b.weight === 'bad') - Number(a.weight === 'bad'));
}

/** Clients that got an error: whatever the cause, nothing is well then. */
function failedNotice({ minutes }: StatusFacts): Notice[] {
  const { answers, failed } = sumOf(minutes);
  if (failed === 0) return [];
  const weight = failed > answers * FAILED_SHARE ? 'bad' : 'warning';
  const share = `${failed} of ${countText(answers, 'answer')} (${shareText(failed, answers)})`;
  const cure = 'The events below and the log tell why; wheelkeep explain tells what is held of a project.';
  return [{ weight, text: `${share} failed in the last ${RECENT_MINUTES} min. ${cure}` }];
}

/** What was refused because it is not what it was, or not what its index promised. */
function integrityNotices({ events, now }: StatusFacts): Notice[] {
  const countOf = (kind: EventKind) =>
    events.filter((event) => event.kind === kind && now - event.at < INTEGRITY_MS).length;
  const [wrong, changed] = [countOf('integrity'), countOf('changed-digest')];
  const notices: Notice[] = [];
  if (wrong > 0) {
    const text = `${countText(wrong, 'time')} in the last hour, bytes were not what their index promised. Nobody was given them; the events below say which.`;
    notices.push({ weight: 'bad', text });
  }
  if (changed > 0) {
    const text = `${countText(changed, 'time')} in the last hour, an index gave a known file another hash. The file stays what it was; ask the index why.`;
    notices.push({ weight: 'bad', text });
  }
  return notices;
}

/** `where` is empty, or names the index where there are several. */
function upstreamNotice(mirrors: readonly MirrorStatus[], where: string): Notice | undefined {
  const words = mirrors.map((mirror) => healthOf(mirror).word);
  const countOf = (word: string) => words.filter((each) => each === word).length;
  const [away, failing] = [countOf('away'), countOf('failing')];
  if (away === mirrors.length) {
    const who = mirrors.length === 1 ? `The upstream${where} is away.` : `All upstreams${where} are away.`;
    return { weight: 'bad', text: `${who} What is here is served from here; what was never here cannot be had.` };
  }
  const of = (count: number) => `${count} of ${countText(mirrors.length, 'upstream')}${where}`;
  if (away > 0)
    return { weight: 'warning', text: `${of(away)} ${away === 1 ? 'is' : 'are'} away; the others are asked.` };
  return failing > 0 ? { weight: 'warning', text: `${of(failing)} failed when it was asked last.` } : undefined;
}

/** The worst of the lock files that were drilled, because that is the install that would fail. */
function readinessTile({ drills, now }: StatusFacts): readonly [string, string, string] {
  if (drills.length === 0) return ['Ready for an outage', '–', 'try a lock file by wheelkeep drill'];
  const worst = drills.reduce((a, b) => (b.readiness < a.readiness ? b : a));
  const of = drills.length === 1 ? 'of one lock file' : `the worst of ${drills.length} lock files`;
  const share = shareText(Math.round(worst.readiness * 1000), 1000);
  return ['Ready for an outage', share, `${of}, tried ${durationText(now - worst.at)} ago`];
}

const WORDS = { good: 'Well', warning: 'Attention', bad: 'Trouble' } as const;

/** The headline and the figures beside it. */
export function glanceHtml(facts: StatusFacts): string {
  const notices = noticesOf(facts).map(
    // The weight is a word as well as a colour.
    ({ weight, text }) => `<li class="${weight}"><strong>${WORDS[weight]}:</strong> ${escapeHtml(text)}</li>`,
  );
  const today = facts.days.at(-1)!;
  const month = sumOf(facts.days);
  const tiles = [
    ['From cache today', shareText(today.fromCache, today.answers), `of ${countText(today.answers, 'answer')}`],
    ['Saved today', bytesText(today.savedBytes), `of ${bytesText(today.bytes)} sent`],
    [
      'Saved in 31 days',
      bytesText(month.savedBytes),
      `${shareText(month.fromCache, month.answers)} of ${countText(month.answers, 'answer')} from the cache`,
    ],
    readinessTile(facts),
    ['Stale now', String(facts.stalePaths.length), 'of what was asked for in the last 10 min'],
  ];
  return `<section aria-labelledby="glance"><h2 id="glance">At a glance</h2>
<ul class="notices">${notices.join('')}</ul>
<dl class="tiles">${tiles
    .map(([name, value, about]) => `<div><dt>${name}</dt><dd><b>${value}</b><span>${about}</span></dd></div>`)
    .join('')}</dl>${drillsHtml(facts)}</section>`;
}

/** Each lock file, where the tile above cannot name the one it means. */
function drillsHtml({ drills, now }: StatusFacts): string {
  if (drills.length === 0) return '';
  const rows = [...drills]
    .sort((a, b) => a.readiness - b.readiness)
    .map(({ lock, readiness, at }) => {
      const share = shareText(Math.round(readiness * 1000), 1000);
      return `<tr><th scope="row">${escapeHtml(lock)}</th><td>${share}</td><td>${agoHtml(at, now)}</td></tr>`;
    });
  return `<details><summary>${countText(drills.length, 'lock file')} tried by wheelkeep drill</summary>
<table><thead><tr><th scope="col">Lock file</th><th scope="col">Would be served</th><th scope="col">Tried</th></tr></thead>
<tbody>${rows.join('\n')}</tbody></table></details>`;
}
