// The status page as one document. Everything that a person must know is in it without a script; the script fills in
// the address and asks the administration for those who have the token.

import { bytesText, countText } from '../observe/figures.ts';
import { escapeHtml } from '../pages/render-html.ts';
import { chartHtml } from './chart.ts';
import { eventsHtml } from './events.ts';
import type { StatusFacts } from './facts.ts';
import { glanceHtml } from './glance.ts';
import { settingsHtml } from './settings.ts';
import { upstreamsHtml } from './upstreams.ts';
import { durationText, shareText, timeHtml, utcText } from './wording.ts';

/** Where style and script are, relative to the page: it may stand below a prefix. */
export interface PageLinks {
  readonly style: string;
  readonly script: string;
}

/** A wheel and what keeps it, small enough to be part of the page. */
const ICON =
  'data:image/svg+xml,%3Csvg xmlns=%22http://www.w3.org/2000/svg%22 viewBox=%220 0 16 16%22%3E%3Ccircle cx=%228%22 cy=%228%22 r=%225.5%22 fill=%22none%22 stroke=%22%230b7a75%22 stroke-width=%223%22/%3E%3Ccircle cx=%228%22 cy=%228%22 r=%221.5%22 fill=%22%230b7a75%22/%3E%3C/svg%3E';

/** The same beside the name; it says nothing that the name does not. */
const LOGO =
  '<svg viewBox="0 0 16 16" aria-hidden="true"><circle cx="8" cy="8" r="5.5"/><circle cx="8" cy="8" r="1.5"/></svg>';

/** The whole page. */
export function statusPageHtml(facts: StatusFacts, links: PageLinks): string {
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Wheelkeep</title>
<link rel="icon" href="${ICON}">
<link rel="stylesheet" href="${links.style}">
<script src="${links.script}" defer></script>
</head>
<body>
${headerHtml(facts)}
<main>
${glanceHtml(facts)}
${upstreamsHtml(facts)}
${chartsHtml(facts)}
${storeHtml(facts)}
${eventsHtml(facts)}
${settingsHtml(facts.publicUrl, facts.isElsewhere, facts.limitsNames)}
${TOKEN_HTML}
</main>
<footer><p><a href="simple/">The index</a> · <a href="metrics">Metrics</a> · <a href="local-stats/">Served by day, as JSON</a></p></footer>
</body>
</html>
`;
}

/** For those who want no HTML. */
export function statusText({ version, startedAt, now, isElsewhere, publicUrl }: StatusFacts): string {
  const index = isElsewhere ? (publicUrl ? `${publicUrl}simple/` : 'simple/ of its other address') : 'simple/';
  return `Wheelkeep ${version}, up for ${durationText(now - startedAt)}: the package index is at ${index}\n`;
}

function headerHtml({ version, startedAt, now, processes }: StatusFacts): string {
  const up = timeHtml(startedAt, durationText(now - startedAt));
  const many = processes.length > 1 ? ` ${processes.length} processes serve; the figures are of all.` : '';
  return `<header><h1>${LOGO}Wheelkeep <small>${escapeHtml(version)}</small></h1>
<p>Keeps Python packages installable. Up for ${up}; as of ${timeHtml(now, utcText(now))}.${many}</p></header>`;
}

function chartsHtml({ hours, days }: StatusFacts): string {
  const hour = (start: number) => new Date(start).toISOString().slice(11, 16);
  const day = (start: number) => new Date(start).toISOString().slice(5, 10);
  return `<section aria-labelledby="answers"><h2 id="answers">Answers</h2>
<p class="legend"><span class="cached">from the cache</span> <span class="fetched">fetched</span> <span class="failed">failed</span> counted since the start, hours and days of UTC</p>
<div class="charts">${chartHtml({ id: 'hours', title: 'The last 24 hours', unit: 'hour', periods: hours, nameOf: hour })}
${chartHtml({ id: 'days', title: 'The last 31 days', unit: 'day', periods: days, nameOf: day })}</div></section>`;
}

/** Only a script can send a token; it shows the forms. */
const TOKEN_HTML = `<section aria-labelledby="inside"><h2 id="inside">Look inside</h2>
<noscript><p>Asking for a project takes a script here; <code>wheelkeep explain &lt;project&gt;</code> tells the same.</p></noscript>
<form id="token-form" hidden><p>With the token (the file <code>admin-token</code> in the data folder) this page names projects and explains what is held of them. It stays in this page, and is gone when the page is left.</p>
<label for="token">Token</label><input id="token" type="password" autocomplete="off" required><button>Use it</button></form>
<div id="unlocked" hidden><form id="search"><label for="project">Project</label><input id="project" autocomplete="off" spellcheck="false" required><button>Explain</button><button type="button" id="forget">Forget the token</button></form>
<div id="explained"></div><div id="stale"></div><div id="busiest"></div></div>
<p id="said" role="status"></p></section>`;

// What is kept, how full the quota is, how much room the disk has, and whether Redis is there.

const REDIS = {
  off: 'not used',
  up: 'answers',
  down: '<span class="warning">away</span>',
} as const;

/** How full the store is. */
export function storeHtml({ store, redis }: StatusFacts): string {
  const { bytes, count, records, quotaBytes, freeBytes, paused, evictions } = store;
  const facts = [
    ['Bodies', String(count)],
    ['Entries', String(records)],
    ['Free on the disk', freeBytes === undefined ? 'unknown' : bytesText(freeBytes)],
    ['Storing', paused ? '<span class="bad">paused</span>: the disk takes no bytes' : 'as usual'],
    [
      'Left to make room',
      evictions.count === 0
        ? 'nothing yet'
        : `${countText(evictions.count, 'file')}, ${bytesText(evictions.bytes)} so far`,
    ],
    ['Redis', REDIS[redis]],
  ];
  return `<section aria-labelledby="store"><h2 id="store">Store</h2>
<p><label for="quota">${bytesText(bytes)} of ${bytesText(quotaBytes)} used (${shareText(bytes, quotaBytes)})</label>
<meter id="quota" min="0" max="${quotaBytes}" high="${quotaBytes * 0.9}" value="${Math.min(bytes, quotaBytes)}"></meter></p>
<dl class="facts">${facts.map(([name, value]) => `<div><dt>${name}</dt><dd>${value}</dd></div>`).join('')}</dl></section>`;
}
