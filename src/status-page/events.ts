// What happened lately, as everybody may read it: the sentences stand here, because those of the events may name
// projects, files and addresses. With the token the script puts the events' own in their place.

import type { Event, EventKind } from '../observe/events.ts';
import { escapeHtml } from '../pages/render-html.ts';
import type { StatusFacts } from './facts.ts';
import { agoHtml } from './wording.ts';

const SENTENCES: Readonly<Record<EventKind, string>> = {
  start: 'started',
  stop: 'stopped',
  'upstream-down': 'does not answer as it should; stored copies are served',
  'upstream-up': 'answers again',
  'mirror-set-aside': 'is asked last for a while: its page disagrees with what is known',
  integrity: 'bytes that do not have their hash; they were not served',
  'changed-digest': 'upstream gives another hash for a name it has used before',
  removed: 'upstream removed something',
  quarantined: 'upstream quarantined a project',
  policy: 'the supply-chain policy was changed, or could not be read',
  'disk-full': 'the disk takes no bytes',
  'disk-unreadable': 'the disk does not give a stored body',
  'disk-recovered': 'the disk takes bytes again',
  'redis-down': 'Redis is away',
  'redis-up': 'Redis answers',
  purge: 'something was purged by an operator',
  warm: 'a lock file was fetched',
  verify: 'the store was verified',
  error: 'an error that nobody expected: see the log',
};

const BAD: ReadonlySet<string> = new Set<EventKind>([
  'integrity',
  'changed-digest',
  'disk-full',
  'disk-unreadable',
  'error',
]);
const ATTENTION: ReadonlySet<string> = new Set<EventKind>([
  'upstream-down',
  'mirror-set-aside',
  'redis-down',
  'quarantined',
  'removed',
  'policy',
]);
const weightOf = (kind: string) => (BAD.has(kind) ? 'bad' : ATTENTION.has(kind) ? 'warning' : 'good');

/** How much an event matters, by its kind. */
export const EVENT_WEIGHTS = Object.fromEntries(Object.keys(SENTENCES).map((kind) => [kind, weightOf(kind)]));

/** Without a project, whatever the event says. */
export function publicSentence({ kind, upstream }: Event): string {
  return upstream === undefined ? SENTENCES[kind] : `${upstream} ${SENTENCES[kind]}`;
}

const MOST_SHOWN = 15;

/** The latest events. */
export function eventsHtml({ events, now }: StatusFacts): string {
  const rows = events
    .slice(0, MOST_SHOWN)
    .map(
      (event) =>
        `<tr><td>${agoHtml(event.at, now)}</td><td><span class="${EVENT_WEIGHTS[event.kind]}">${event.kind}</span></td><td>${escapeHtml(publicSentence(event))}</td></tr>`,
    );
  return `<section aria-labelledby="events"><h2 id="events">Recent events</h2>
<table class="stacked"><caption>The newest first; projects and files are named with the token only</caption>
<thead><tr><th scope="col">When</th><th scope="col">What</th><th scope="col">Details</th></tr></thead>
<tbody id="event-rows">${rows.join('\n')}</tbody></table></section>`;
}
