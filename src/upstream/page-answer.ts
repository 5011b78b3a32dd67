// What an index's answer says of a page: here it is, it is as it was, there is none, or nothing at all.

import { Readable } from 'node:stream';
import { UpstreamFailure } from '../core/errors.ts';
import { type Fields, type IncomingResponse, withField } from '../core/http-message.ts';
import { requestedPause } from '../http-semantics/retry-after.ts';
import { discard } from '../net/discard.ts';

/** Answers that the cache understands; 410 counts as 404 there, 451 is passed on. Everything else is a failure. */
const UNDERSTOOD: ReadonlySet<number> = new Set([200, 304, 404, 410, 451]);

/** Which statuses mean "missing", and the clock. */
export interface PageAnswerRules {
  /** Statuses that mean "not here" at this index, beside 404 and 410. */
  readonly missing: ReadonlySet<number>;
  readonly now: () => number;
  /** In [0, 1): jitter. */
  readonly random: () => number;
}

/** The answer as the cache shall see it. Throws UpstreamFailure for one that says nothing about the page. */
export function pageAnswer(response: IncomingResponse, host: string, rules: PageAnswerRules): IncomingResponse {
  // RFC 9110 15.3.4: changed on its way, perhaps; whether it is a page its body tells.
  const status = response.status === 203 ? 200 : response.status;
  if (status !== response.status) return { ...response, status };
  if (UNDERSTOOD.has(status)) return response;
  discard(response.body);
  if (rules.missing.has(status)) return { ...response, status: 404, fields: [], body: Readable.from([]) };
  const pauseMs = requestedPause(response, rules.now(), rules.random());
  const details = pauseMs === undefined ? { upstreamStatus: status } : { upstreamStatus: status, pauseMs };
  const kind = pauseMs === undefined ? 'status' : 'rate-limited';
  throw new UpstreamFailure(kind, `${host} answered ${status}`, details);
}

// The fields with which an index is asked for a page: a fixed list, nothing of a client's request reaches an index.

/** In which formats an index is asked for its pages. */
export type AcceptedFormats = 'any' | 'json' | 'html';

/** Never a tie: the layers of an index break ties differently. `json` and `html` are for indexes that ignore q. */
const ACCEPT: Readonly<Record<AcceptedFormats, string>> = {
  any: 'application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01',
  json: 'application/vnd.pypi.simple.v1+json',
  html: 'text/html',
};

/** `further` are validators above all, and replace ours of the same name. */
export function pageFields(accept: AcceptedFormats, further: Fields): Fields {
  let fields: Fields = ['accept', ACCEPT[accept], 'accept-encoding', 'gzip'];
  for (let i = 0; i < further.length; i += 2) fields = withField(fields, further[i]!, further[i + 1]!);
  return fields;
}
