// What an index's answer says of a page: here it is, it is as it was, there is none, or nothing at all.

import { Readable } from 'node:stream';
import { UpstreamFailure } from '../core/errors.ts';
import type { IncomingResponse } from '../core/http-message.ts';
import { requestedPause } from '../http-semantics/retry-after.ts';
import { discard } from '../net/discard.ts';

/** Answers that the cache understands; 410 counts as 404 there, 451 is passed on. Everything else is a failure. */
const UNDERSTOOD: ReadonlySet<number> = new Set([200, 304, 404, 410, 451]);

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
