// A held copy where upstream fails, is slow or is not to be asked yet: whether it may stand in, how that is called, and
// what is said where it may not (RFC 9111 4.2.4, 5.2.2.2).

import { GatewayTimeout, OwnFault, ProxyError, UpstreamFailure } from '../core/errors.ts';
import { type Verdict, verdict } from '../http-semantics/reuse.ts';
import { needsUpstream, staleAllowed, type UpstreamTrouble } from '../http-semantics/stale.ts';
import { UnreadableBlob } from '../store/blobs/stored-blob.ts';
import type { Entry } from '../store/entries/entry.ts';
import type { StaleReason } from './answer.ts';
import type { Resource } from './profile.ts';

/** Whether the copy may be served instead; what was refused on purpose is hidden by nothing. */
export function mayServeStale(
  resource: Resource,
  entry: Entry,
  trouble: UpstreamTrouble | undefined,
  now: number,
): boolean {
  return trouble !== undefined && staleAllowed(entry, trouble, now, resource.profile.rules);
}

/**
 * What a failed or blocked fetch means for a held copy. A status that the profile calls a failure is as good as no
 * answer: what it means for stale copies was decided where it was called so. A fault of our own is as good as no answer
 * too, and so is an answer that the disk does not let us measure by what is held: the copy is as right as before. Undefined when something was refused on purpose, and nothing may hide it.
 */
export function troubleOf(cause: unknown): UpstreamTrouble | undefined {
  const isNoAnswer = [UpstreamFailure, OwnFault, UnreadableBlob].some((kind) => cause instanceof kind);
  const refused = cause instanceof ProxyError && !isNoAnswer;
  return refused ? undefined : { kind: 'disconnected' };
}

/** Why the copy is served without asking: upstream failed a moment ago, or contradicted it and is to say so again. */
export function backOffReason(cause: unknown): StaleReason {
  return typeof cause === 'string' ? 'unconfirmed' : 'back-off';
}

/** The error when upstream failed and the copy may not stand in: RFC 9111 5.2.2.2 names it where it forbids that. */
export function noStaleCopy(resource: Resource, held: Entry, cause: unknown): unknown {
  if (!(cause instanceof UpstreamFailure) || !needsUpstream(held, resource.profile.rules)) return cause;
  return new GatewayTimeout('Upstream cannot be asked, and what is stored may not be used without asking it.', {
    cause,
  });
}

/** RFC 9111 5.2.1.7: the client wants a stored answer or none. */
export class NoUsableCopy extends GatewayTimeout {
  constructor() {
    super('The request asks for a stored answer only, and none may be used.');
  }
}

// The verdict of RFC 9111 on what is stored, and the one thing that the RFC cannot know: our own clock.

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
