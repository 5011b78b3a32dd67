// In which order equivalent mirrors are asked: as they are configured, or by the latency that was measured. Decisions
// alone; mirror.ts measures.

/** `configured`: the first one that is healthy. `latency`: the one whose answers begin soonest. */
export type MirrorOrder = 'configured' | 'latency';

/** What the order depends on. */
export interface Candidate {
  /** Its pages were refused, or it lost against a hedge, a moment ago. */
  readonly isDemoted: boolean;
  /** The average time from a request to the head of its answer, in milliseconds; undefined before the first one. */
  readonly latencyMs: number | undefined;
  /** When it was last asked, answered or not; milliseconds since the epoch. */
  readonly lastAsked: number | undefined;
}

/** A mirror that was not asked for that long gets one request, for what is known of it may no longer be so. */
export const REMEASURE_MS = 300_000;

/** Another mirror takes the lead when it needs less than this share of the leader's time, and this much less. */
const CLEARLY = 0.75;
const CLEARLY_MS = 5;

/** Who leads now. The one that led goes on unless another is clearly faster, so that two equal ones do not alternate. */
export function leaderOf<M extends Candidate>(mirrors: readonly M[], before: M | undefined): M {
  const fit = mirrors.filter(({ isDemoted }) => !isDemoted);
  const candidates = fit.length > 0 ? fit : mirrors;
  const fastest = candidates.reduce((best, other) => (latency(other) < latency(best) ? other : best));
  if (before === undefined || !candidates.includes(before)) return fastest;
  const mustBeat = Math.min(latency(before) * CLEARLY, latency(before) - CLEARLY_MS);
  return latency(fastest) < mustBeat ? fastest : before;
}

/**
 * The mirrors in the order to ask them: first one that is to be measured, then the leader, then the others by latency,
 * last those that are demoted. Equal ones stay as configured.
 */
export function byLatency<M extends Candidate>(mirrors: readonly M[], leader: M, now: number): M[] {
  const rank = (mirror: M): number => {
    if (mirror.isDemoted) return 3;
    if (isDue(mirror, now)) return 0;
    return mirror === leader ? 1 : 2;
  };
  return mirrors.toSorted((a, b) => rank(a) - rank(b) || compare(latency(a), latency(b)));
}

/** Demoted ones last, otherwise as configured. */
export function asConfigured<M extends Candidate>(mirrors: readonly M[]): M[] {
  return mirrors.toSorted((a, b) => Number(a.isDemoted) - Number(b.isDemoted));
}

function isDue({ lastAsked }: Candidate, now: number): boolean {
  return lastAsked === undefined || now - lastAsked >= REMEASURE_MS;
}

/** One that was never measured is slower than any other. */
function latency({ latencyMs }: Candidate): number {
  return latencyMs ?? Number.POSITIVE_INFINITY;
}

function compare(a: number, b: number): number {
  return a === b ? 0 : a - b;
}
