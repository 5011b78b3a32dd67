// How index pages are cached. The operator who configured an index grants a lifetime of his own and keeps the last
// good copy in every trouble; what the index says about shared caches is meant for others (design: the operator's
// contract). The grant is made before the cache engine sees the answer, so that the engine itself bends no rule.

import type { Profile } from '../cache/profile.ts';
import { type Fields, fieldLines, fieldValue, type ResponseHead } from '../core/http-message.ts';
import { contradictsPage, judgePage } from './accept-page.ts';
import { lighterFacts } from './lighter-facts.ts';

/** The freshness that the operator grants pages. Seconds and milliseconds as named. */
export interface PageProfileOptions {
  readonly pageFreshMs: number;
  readonly negativeFreshMs: number;
  readonly staleIfErrorMs: number;
  readonly patienceMs: number;
  readonly maxPageBytes: number;
}

/** What of an upstream's answer is needed to understand its body and to ask again. */
const KEPT: readonly string[] = ['content-type', 'content-encoding', 'etag', 'last-modified', 'x-pypi-last-serial'];

/** The profile of one index's pages; `name` tells pages, project lists and other documents apart. */
export function pageProfile(name: 'page' | 'list' | 'json', options: PageProfileOptions): Profile {
  return {
    name,
    rules: {
      heuristic: false,
      staleIfErrorSeconds: options.staleIfErrorMs / 1000,
      targeted: [],
      requestDirectives: 'ignore',
    },
    body: { kind: 'whole', maxBytes: options.maxPageBytes },
    patienceMs: options.patienceMs,
    refreshAhead: true,
    meaning: (status) => {
      if (status === 200) return 'content';
      if (status === 404 || status === 410) return 'missing';
      return status === 451 ? 'removed' : 'failure';
    },
    grant: (response) => grantedFields(response, options),
    judge: judgePage,
    contradicts: contradictsPage,
    lighten: lighterFacts,
  };
}

function grantedFields(response: ResponseHead, options: PageProfileOptions): Fields {
  const granted: string[] = [];
  for (const name of KEPT) for (const line of fieldLines(response.fields, name)) granted.push(name, line);
  const found = response.status === 200 || response.status === 304;
  const lifetimeMs = found ? grantedLifetimeMs(response, options.pageFreshMs) : options.negativeFreshMs;
  granted.push('cache-control', `max-age=${Math.floor(lifetimeMs / 1000)}`);
  return granted;
}

/** The operator's lifetime, or upstream's where that is smaller and positive. */
function grantedLifetimeMs(response: ResponseHead, pageFreshMs: number): number {
  const control = fieldValue(response.fields, 'cache-control') ?? '';
  const named = /(?:^|[\s,])s-maxage=(\d{1,9})/i.exec(control) ?? /(?:^|[\s,])max-age=(\d{1,9})/i.exec(control);
  const upstreamMs = named === null ? 0 : Number(named[1]) * 1000;
  return upstreamMs > 0 ? Math.min(upstreamMs, pageFreshMs) : pageFreshMs;
}
