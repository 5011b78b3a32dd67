// The verdict of RFC 9111 on what is stored, and the one thing that the RFC cannot know: our own clock.

import { type Verdict, verdict } from '../http-semantics/reuse.ts';
import type { Entry } from '../store/entries/entry.ts';
import type { Resource } from './profile.ts';

/** Stored so far in the future: the clock was set back, and the copy's age is not known. */
const CLOCK_SLACK_MS = 60_000;

/**
 * The verdict on what is stored. Its age by a clock that was set back is unknown, so it is asked about, but for files:
 * their bytes are what their page says, at any age.
 */
export function decide(resource: Resource, variants: readonly Entry[], now: number): Verdict<Entry> {
  const { rules, body } = resource.profile;
  const decided = verdict(resource.request, variants, now, rules);
  const isFuture = decided.kind === 'fresh' && decided.entry.responseTime - now > CLOCK_SLACK_MS;
  const isProven = body.kind === 'streamed' && body.shared;
  return isFuture && !isProven ? { kind: 'revalidate', entry: decided.entry, forward: 'stale' } : decided;
}
