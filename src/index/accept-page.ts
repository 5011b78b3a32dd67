// May a new answer take the place of the page we hold? Upstreams have given false 404s, blank pages and pages months
// old; takedowns are real too. So what contradicts the held page must be claimed again before it is believed, and a
// quarantine is believed at once (PEP 792).

import type { Judgement } from '../cache/profile.ts';
import { fieldValue, type ResponseHead } from '../core/http-message.ts';
import { type PageFacts, PLAUSIBLE_CHANGES } from '../pages/page.ts';
import { serialOf } from '../pages/page-fields.ts';
import type { Doubt, Entry } from '../store/entries/entry.ts';

/** How soon a claim that is not believed is asked about again: what was a passing fault is over soon. */
const RECHECK_AFTER_MS = 20_000;
/** A removal or a blank page counts when it is claimed again after this time. */
const CONFIRM_AFTER_MS = 60_000;
/** An older page counts when upstream insists on it for this long: its own clock of changes may have been reset. */
const OLDER_AFTER_MS = 30 * 60_000;
const OLDER_CLAIMS = 3;
/** Files that left, where neither serial nor a second mirror confirms it. */
const LEFT_AFTER_MS = 15 * 60_000;

/**
 * Whether a new page takes the place of the held one. `now` is in milliseconds since the epoch; `doubt` is a claim
 * that was made before.
 */
export function judgePage(held: Entry, candidate: Entry, doubt: Doubt | undefined, now: number): Judgement {
  if (held.status !== 200) return { kind: 'replace' };
  if (candidate.status !== 200) return unlessConfirmed('missing', doubt, now, CONFIRM_AFTER_MS, 2);
  const before = held.facts as PageFacts | null | undefined;
  const after = candidate.facts as PageFacts | null | undefined;
  if (before == null || after == null || after.status === 'quarantined') return { kind: 'replace' };
  if (after.agreed === true) return { kind: 'replace' };
  if (after.left !== undefined) return unlessConfirmed(`left ${after.left}`, doubt, now, LEFT_AFTER_MS, 2);
  const risenBy = before.serial === undefined || after.serial === undefined ? 0 : after.serial - before.serial;
  // One of the two serials is wrong: the one that upstream repeats soon is believed.
  if (Math.abs(risenBy) > PLAUSIBLE_CHANGES) return unlessConfirmed('jump', doubt, now, CONFIRM_AFTER_MS, 2);
  if (risenBy < 0) return unlessConfirmed(`serial ${after.serial}`, doubt, now, OLDER_AFTER_MS, OLDER_CLAIMS);
  const risen = after.serial !== undefined && before.serial !== undefined && after.serial > before.serial;
  if (after.files === 0 && before.files > 0 && !risen) {
    return unlessConfirmed('blank', doubt, now, CONFIRM_AFTER_MS, 2);
  }
  return { kind: 'replace' };
}

/**
 * A 304 that names another serial than ours is about another page: an older one, or one that changed while its ETag did
 * not. The field is compared with the field, where the held page came with one: a page may name another serial itself.
 */
export function contradictsPage(held: Entry, notModified: ResponseHead): boolean {
  const theirs = serialOf(fieldValue(notModified.fields, 'x-pypi-last-serial'));
  const field = serialOf(fieldValue(held.fields, 'x-pypi-last-serial'));
  const ours = field ?? (held.facts as PageFacts | null | undefined)?.serial;
  return ours !== undefined && theirs !== undefined && theirs !== ours;
}

/** `claims` counts this one; the first and this one must be `apartMs` apart. */
function unlessConfirmed(
  claim: string,
  doubt: Doubt | undefined,
  now: number,
  apartMs: number,
  claims: number,
): Judgement {
  const same = doubt?.claim === claim ? doubt : undefined;
  if (same !== undefined && same.count + 1 >= claims && now - same.firstSeen >= apartMs) return { kind: 'replace' };
  return { kind: 'recheck', claim, afterMs: RECHECK_AFTER_MS };
}
