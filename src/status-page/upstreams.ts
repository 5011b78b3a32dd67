// The upstreams of each index: who answers, who is away since when, and when it is asked again. Of an address only
// the host is told: paths may hold secrets.

import { escapeHtml } from '../pages/render-html.ts';
import type { MirrorStatus } from '../upstream/mirror.ts';
import type { StatusFacts } from './facts.ts';
import { agoHtml, durationText, timeHtml } from './wording.ts';

/** How a mirror is, in a word. */
export interface Health {
  readonly weight: 'good' | 'warning' | 'bad';
  readonly word: 'answers' | 'not asked yet' | 'failing' | 'away';
}

/** `failing`: the newest exchange failed, and it is still asked. `away`: it is left alone until its next try. */
export function healthOf({ state, lastSuccess, lastFailure }: MirrorStatus): Health {
  if (state !== 'closed') return { weight: 'bad', word: 'away' };
  if (lastFailure !== undefined && lastFailure.time >= (lastSuccess ?? Number.NEGATIVE_INFINITY)) {
    return { weight: 'warning', word: 'failing' };
  }
  return lastSuccess === undefined ? { weight: 'good', word: 'not asked yet' } : { weight: 'good', word: 'answers' };
}

/** The table of upstreams. */
export function upstreamsHtml({ indexes, now }: StatusFacts): string {
  const rows = indexes.flatMap(({ name, mirrors }) =>
    mirrors.map((mirror) => {
      const { weight, word } = healthOf(mirror);
      return `<tr><th scope="row">${escapeHtml(new URL(mirror.url).host)}<small>index ${escapeHtml(name)}${mirrors.length > 1 && mirror.leads ? ', asked first' : ''}</small></th>
<td><span class="${weight}">${word}</span><small>${detailHtml(mirror, now)}</small></td>
<td data-name="last answer: ">${lastAnswerHtml(mirror, now)}</td></tr>`;
    }),
  );
  return `<section aria-labelledby="upstreams"><h2 id="upstreams">Upstreams</h2>
<table class="stacked"><caption>Who is asked for what is not here, and how they are</caption>
<thead><tr><th scope="col">Upstream</th><th scope="col">Health</th><th scope="col">Last answer</th></tr></thead>
<tbody>${rows.join('\n')}</tbody></table></section>`;
}

function detailHtml(mirror: MirrorStatus, now: number): string {
  const { state, since, nextTry, lastFailure, lastRefusal } = mirror;
  const why = lastFailure === undefined ? '' : ` (${lastFailure.kind})`;
  switch (healthOf(mirror).word) {
    case 'away': {
      const next = state === 'open' && nextTry > now ? `in ${durationText(nextTry - now)}` : 'with the next request';
      return `since ${timeHtml(since, durationText(now - since))}${why}; asked again ${next}`;
    }
    case 'failing':
      return `failed ${agoHtml(lastFailure!.time, now)}${why}`;
    default:
      if (lastRefusal !== undefined)
        return `a page was refused ${agoHtml(lastRefusal.time, now)} (${lastRefusal.reason})`;
      return lastFailure === undefined ? '' : `failed last ${agoHtml(lastFailure.time, now)}${why}`;
  }
}

function lastAnswerHtml({ lastSuccess, latencyMs }: MirrorStatus, now: number): string {
  if (lastSuccess === undefined) return 'none yet';
  if (latencyMs === undefined) return agoHtml(lastSuccess, now);
  const latency = latencyMs < 1000 ? `${Math.max(1, Math.round(latencyMs))} ms` : durationText(latencyMs);
  return `${agoHtml(lastSuccess, now)}<small>after about ${latency}</small>`;
}
