// May a new answer take the place of the page we hold? Upstreams have given false 404s, blank pages and pages months
// old; takedowns are real too. So what contradicts the held page must be claimed again before it is believed, and a
// quarantine is believed at once (PEP 792).

import type { Doubt, Entry } from '../cache/entry.ts';
import type { Judgement } from '../cache/profile.ts';
import type { ResponseHead } from '../http-message.ts';
import { fieldValue } from '../http-message.ts';
import type { PageFacts } from './page.ts';

/** How soon a claim that is not believed is asked about again: what was a passing fault is over soon. */
const RECHECK_AFTER_MS = 20_000;
/** A removal or a blank page counts when it is claimed again after this time. */
const CONFIRM_AFTER_MS = 60_000;
/** An older page counts when upstream insists on it for this long: its own clock of changes may have been reset. */
const OLDER_AFTER_MS = 30 * 60_000;
const OLDER_CLAIMS = 3;
/** Files that left, where neither serial nor a second mirror confirms it. */
const LEFT_AFTER_MS = 15 * 60_000;

export function judgePage(held: Entry, candidate: Entry, doubt: Doubt | undefined, now: number): Judgement {
  if (held.status !== 200) return { kind: 'replace' };
  if (candidate.status !== 200) return unlessConfirmed('missing', doubt, now, CONFIRM_AFTER_MS, 2);
  const before = held.facts as PageFacts | null | undefined;
  const after = candidate.facts as PageFacts | null | undefined;
  if (before == null || after == null || after.status === 'quarantined') return { kind: 'replace' };
  if (after.agreed === true) return { kind: 'replace' };
  if (after.left !== undefined) return unlessConfirmed(`left ${after.left}`, doubt, now, LEFT_AFTER_MS, 2);
  if (isOlder(before.serial, after.serial)) {
    return unlessConfirmed(`serial ${after.serial ?? 'none'}`, doubt, now, OLDER_AFTER_MS, OLDER_CLAIMS);
  }
  const risen = after.serial !== undefined && before.serial !== undefined && after.serial > before.serial;
  if (after.files === 0 && before.files > 0 && !risen) {
    return unlessConfirmed('blank', doubt, now, CONFIRM_AFTER_MS, 2);
  }
  return { kind: 'replace' };
}

/** A 304 that names an older serial than ours is about another page. */
export function contradictsPage(held: Entry, notModified: ResponseHead): boolean {
  const ours = (held.facts as PageFacts | null | undefined)?.serial;
  const theirs = fieldValue(notModified.fields, 'x-pypi-last-serial');
  return ours !== undefined && theirs !== undefined && /^\d{1,15}$/.test(theirs) && Number(theirs) < ours;
}

function isOlder(before: number | undefined, after: number | undefined): boolean {
  return before !== undefined && (after === undefined || after < before);
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
