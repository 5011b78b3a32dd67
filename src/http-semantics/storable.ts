// May this response be stored, and what of it (RFC 9111 3)? The body's completeness (3.3) is the engine's to see.

import { type Fields, fieldValue, type RequestHead, type ResponseHead, withoutFields } from '../core/http-message.ts';
import { explicitLifetimeSeconds, heuristicallyCacheable } from './age.ts';
import { parseDirectives, readResponseDirectives } from './cache-control.ts';
import { listMembers } from './list-syntax.ts';
import { readRequest } from './request.ts';
import type { CacheRules, TimedHead } from './rules.ts';
import { governingDirectives } from './targeted.ts';
import { varyNames } from './vary.ts';

/** Whether to store, or the first rule that says no. */
export type Storable =
  | { readonly store: true }
  | {
      readonly store: false;
      readonly reason:
        | 'method'
        | 'status'
        | 'partial'
        | 'no-store'
        | 'private'
        | 'authorization'
        | 'vary-star'
        | 'no-freshness-or-validator';
    };

/** The final status codes of RFC 9110 whose caching requirements this cache implements (`must-understand`). */
const UNDERSTOOD: ReadonlySet<number> = new Set([
  200, 201, 202, 203, 204, 205, 300, 301, 302, 303, 305, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409,
  410, 411, 413, 414, 415, 417, 421, 422, 426, 500, 501, 502, 503, 504, 505,
]);

/**
 * Statuses that answer one request's conditions or credentials for the path, not the resource: 304, 412 and 416 depend
 * on conditions and ranges that are no part of the key, 407 speaks of our own way upstream, and RFC 6585 forbids to
 * store 428, 429, 431 and 511.
 */
const OF_ONE_REQUEST: ReadonlySet<number> = new Set([304, 407, 412, 416, 428, 429, 431, 511]);

/**
 * Decides on the response to `request` (its `url` absolute, its fields as the client sent them). A HEAD response is
 * not stored: it has no body to answer a GET with; `freshenFromHead` is its use.
 */
export function storable(request: RequestHead, response: TimedHead, rules: CacheRules): Storable {
  const directives = governingDirectives(response.fields, rules);
  const explicit = explicitLifetimeSeconds(response, rules) !== undefined;

  // The request method is understood: GET, and a POST that answers GETs.
  if (request.method !== 'GET' && !answersLaterGets(request, response, explicit)) return refused('method');

  // The status is final, and 206 and 304 are understood.
  // Parts are not collected (3.3, MAY): a partial body that is taken for whole is the one error no reader survives.
  if (response.status === 206) return refused('partial');
  if (response.status < 200 || OF_ONE_REQUEST.has(response.status)) return refused('status');
  // With must-understand the status has to be understood too.
  if (directives.mustUnderstand && !UNDERSTOOD.has(response.status)) return refused('status');

  // No no-store in the response; 5.2.2.3: must-understand overrides it once the
  // status is understood. 5.2.1.5: nor in the request, where requests are obeyed.
  if (directives.noStore && !directives.mustUnderstand) return refused('no-store');
  if (readRequest(request, rules).noStore) return refused('no-store');

  // We are a shared cache: no private, unless it only names fields, and then the response is stored without them.
  if (directives.private) return refused('private');

  // We are a shared cache: no Authorization in the request, unless the response allows sharing.
  if (isForOneClient(request, response, rules)) return refused('authorization');

  // 4.1: with a member "*" in Vary the stored response would never match.
  if (varyNames(response.fields) === '*') return refused('vary-star');

  // At least one of: s-maxage, max-age, Expires; public, or a status that is defined as heuristically cacheable.
  if (!explicit && !heuristicallyCacheable(response, rules)) return refused('status');

  // Storing is allowed from here on, but a response that can be neither fresh nor validated would never be used.
  const validator = ['etag', 'last-modified'].some((name) => fieldValue(response.fields, name) !== undefined);
  if (!validator && (!explicit || directives.noCache)) return refused('no-freshness-or-validator');
  return { store: true };
}

function refused(reason: Extract<Storable, { store: false }>['reason']): Storable {
  return { store: false, reason };
}

/** 3.5: an answer to credentials is their owner's alone, unless it has must-revalidate, public or s-maxage. */
export function isForOneClient(request: RequestHead, response: ResponseHead, rules: CacheRules): boolean {
  if (fieldValue(request.fields, 'authorization') === undefined) return false;
  const directives = governingDirectives(response.fields, rules);
  return !directives.public && !directives.mustRevalidate && directives.sMaxage === undefined;
}

/**
 * RFC 9110 9.3.3: a 2xx answer to POST serves later GETs of the same URL when it has explicit freshness and a
 * Content-Location that equals the target URI.
 */
function answersLaterGets(request: RequestHead, response: ResponseHead, explicit: boolean): boolean {
  if (request.method !== 'POST' || !explicit || response.status < 200 || response.status > 299) return false;
  const contentLocation = fieldValue(response.fields, 'content-location');
  const target = URL.parse(request.url);
  return (
    contentLocation !== undefined && target !== null && URL.parse(contentLocation, target.href)?.href === target.href
  );
}

/** RFC 9111 3.1, RFC 9110 7.6.1: fields that concern one connection, and those that concern one proxy. */
const OF_ONE_HOP: readonly string[] = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
];

/**
 * The fields to store (RFC 9111 3.1): all but those of one hop, those that Connection names, and those that a qualified
 * no-cache or private names. A missing Date is added, where the time of receipt is known (RFC 9110 6.6.1).
 */
export function storedFields(response: ResponseHead & { readonly responseTime?: number }): Fields {
  const excepted = new Set(OF_ONE_HOP);
  for (let i = 0; i < response.fields.length; i += 2) {
    const name = response.fields[i]!;
    const value = response.fields[i + 1]!;
    if (name === 'connection') {
      for (const option of listMembers(value)) excepted.add(option.toLowerCase());
    }
    // Whichever of them governs (RFC 9213): what any cache was told to withhold is withheld.
    if (name === 'cache-control' || name.endsWith('-cache-control')) {
      for (const field of readResponseDirectives(parseDirectives(value)).withheldFields) excepted.add(field);
    }
  }
  const kept = withoutFields(response.fields, excepted);
  if (response.responseTime === undefined || fieldValue(kept, 'date') !== undefined) return kept;
  return [...kept, 'date', new Date(response.responseTime).toUTCString()];
}
