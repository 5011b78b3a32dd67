// Validation: the conditions we send, and what an answer does to the stored response (RFC 9111 3.2, 4.3).

import { type Fields, fieldLines, fieldValue, withoutFields } from '../core/http-message.ts';
import { isStrong, weakMatch } from './conditional.ts';
import { parseHttpDate } from './http-date.ts';
import type { StoredHead, TimedHead } from './rules.ts';
import { storedFields } from './storable.ts';
import { selectingNames } from './vary.ts';

/** `mismatch`: the 304 speaks of another representation; ask again without conditions and store that answer. */
export type Validation<T> = { readonly kind: 'updated'; readonly entry: T } | { readonly kind: 'mismatch' };

/**
 * The conditional fields for upstream (RFC 9111 4.3.1); empty without validators. They replace the client's own, lest
 * a 304 speaks of the client's copy instead of ours.
 */
export function conditions(stored: StoredHead): Fields {
  const fields: string[] = [];
  // Both validators, where both are known, exactly as they were received.
  const etag = fieldLines(stored.fields, 'etag')[0];
  if (etag !== undefined) fields.push('if-none-match', etag);
  const lastModified = fieldLines(stored.fields, 'last-modified')[0];
  if (lastModified !== undefined) fields.push('if-modified-since', lastModified);
  return fields;
}

/**
 * Applies a 304 to the stored response that it was asked about. The body stays; age and lifetime start anew. Afterwards
 * ask `storable` again: a 304 may bring no-store or private.
 */
export function freshen<T extends StoredHead>(stored: T, notModified: TimedHead): Validation<T> {
  if (!selectedBy(notModified, stored)) return { kind: 'mismatch' };
  const entry = updated(stored, notModified);
  // 4.1: had the 304 begun to vary by more fields, or to set cookies, their values in the original request would be unknown to us.
  const known = selectingNames(stored.fields);
  const named = selectingNames(entry.fields);
  if (known === '*' || named === '*' || named.some((name) => !known.includes(name))) return { kind: 'mismatch' };
  return { kind: 'updated', entry };
}

/**
 * The stored response after a 200 to HEAD that speaks of what a GET would have selected: updated, or stale from now on
 * when a GET would bring something else (RFC 9111 4.3.5).
 */
export function freshenFromHead<T extends StoredHead>(stored: T, head: TimedHead): T {
  // 4.3.5: the validators and the Content-Length that the HEAD brings have to equal the stored ones.
  for (const [name, same] of HEAD_MUST_AGREE) {
    const received = fieldLines(head.fields, name)[0];
    if (received === undefined) continue;
    const held = fieldLines(stored.fields, name)[0];
    // A stored response that was sent in chunks has no Content-Length to compare.
    if (held === undefined && name === 'content-length') continue;
    if (held === undefined || !same(received, held, stored.responseTime)) return { ...stored, outdated: true };
  }
  const entry = updated(stored, head);
  const sameVariant = String(selectingNames(entry.fields)) === String(selectingNames(stored.fields));
  return sameVariant ? entry : { ...stored, outdated: true };
}

const HEAD_MUST_AGREE: ReadonlyMap<string, (a: string, b: string, reference: number) => boolean> = new Map([
  ['etag', weakMatch],
  ['last-modified', sameDate],
  ['content-length', (a, b) => a === b],
]);

/** Whether the 304 identifies the stored response for update (RFC 9111 4.3.4). */
function selectedBy(notModified: TimedHead, stored: StoredHead): boolean {
  const etag = fieldLines(notModified.fields, 'etag')[0];
  const heldEtag = fieldLines(stored.fields, 'etag')[0];
  // A strong validator selects the stored responses that have the same one, and without such a response nothing may be
  // updated. Tags are compared weakly, as origins do for If-None-Match (RFC 9110 13.1.2): a server that weakens its tags
  // while it compresses sends the strong form with the 304, and means the same representation.
  if (etag !== undefined && heldEtag !== undefined) return weakMatch(etag, heldEtag);
  if (etag !== undefined && isStrong(etag)) return false;
  // Without a strong validator a weak one has to correspond; a Last-Modified is weak (RFC 9110 8.8.2.2).
  const lastModified = fieldLines(notModified.fields, 'last-modified')[0];
  if (lastModified !== undefined) {
    const heldLastModified = fieldLines(stored.fields, 'last-modified')[0];
    return heldLastModified !== undefined && sameDate(lastModified, heldLastModified, stored.responseTime);
  }
  // Without any validator the 304 answers the only condition that was sent: ours.
  return etag === undefined;
}

function sameDate(a: string, b: string, reference: number): boolean {
  if (a === b) return true;
  const time = parseHttpDate(a, reference);
  return time !== undefined && time === parseHttpDate(b, reference);
}

/**
 * Fields that a validation leaves alone. RFC 9111 3.2 excepts Content-Length and the fields on which our use of the
 * stored response depends: those that say how its bytes are coded, cut and digested.
 */
const OF_THE_STORED_BYTES: readonly string[] = [
  'content-length',
  'content-encoding',
  'content-range',
  'content-md5',
  'content-digest',
  'repr-digest',
  'digest',
];

/** Fields that belong to one exchange: an old value says nothing about the new one. */
const OF_ONE_EXCHANGE: ReadonlySet<string> = new Set(['age', 'cache-status', 'via']);

/** RFC 9111 3.2: the stored response with the received fields added or put in place, and the times of the exchange. */
function updated<T extends StoredHead>(stored: T, received: TimedHead): T {
  const untouched = new Set(OF_THE_STORED_BYTES);
  // The tags match, perhaps weakly only; the stored one is the one that was sent with the bytes we have.
  if (fieldValue(stored.fields, 'etag') !== undefined) untouched.add('etag');
  const news = withoutFields(storedFields(received), untouched);
  const replaced = new Set(OF_ONE_EXCHANGE);
  for (let i = 0; i < news.length; i += 2) replaced.add(news[i]!);
  return {
    ...stored,
    fields: [...withoutFields(stored.fields, replaced), ...news],
    requestTime: received.requestTime,
    responseTime: received.responseTime,
    ...(stored.outdated && { outdated: false }),
  };
}
