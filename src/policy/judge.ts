// The one verdict on a file. Every path asks for it: pages in each format, the file's URL, its metadata, HEAD, ranges,
// provenance, legacy JSON, fresh or stale.

import type { Exemption, FileKind, Liftable, View } from './policy.ts';
import { meets } from './release-pattern.ts';

/** What a verdict needs to know of a file. */
export interface FileFacts {
  readonly filename: string;
  /** As the filename tells it; undefined when it tells none. */
  readonly version: string | undefined;
  /** From when its age counts for the cooldown (since.ts), in milliseconds since the epoch; -Infinity is old. */
  readonly ripensFrom: number;
  /** Whether the age was claimed by an upload time. */
  readonly hasUploadTime: boolean;
  /** When it left its page, and from when its own age counts; undefined while the page lists it. */
  readonly departed?: { readonly at: number; readonly since: number };
}

export interface ProjectFacts {
  /** The normal name. */
  readonly name: string;
  /** The index has quarantined the project (PEP 792). */
  readonly quarantined: boolean;
  /** From when the age of its first file counts, in milliseconds since the epoch; -Infinity is old. */
  readonly firstSince: number;
}

/** Why a file may not be had, or not yet; part of error codes and metrics. */
export type RefusalRule = 'quarantined' | Liftable;

export type Verdict =
  /** `until`: when this may change by itself, in milliseconds since the epoch; Infinity is never. */
  | { readonly verdict: 'visible'; readonly until: number }
  | {
      readonly verdict: 'held' | 'denied';
      readonly rule: RefusalRule;
      /** The name of the operator's rule, or of the option. */
      readonly ruleName: string;
      readonly until: number;
      /** Why, without the name of the file: `cooldown 7d`. */
      readonly reason: string;
    };

/**
 * Order: quarantined (no exemption), pulled, deny rule, not on the allow list, kind of file, new project,
 * cooldown. An exemption lifts only the checks that it names. `now` is in milliseconds since the epoch.
 */
export function judge(file: FileFacts, project: ProjectFacts, view: View, now: number): Verdict {
  const exempt = view.exempt.filter((one) => one.until > now && covers(one, file));
  if (project.quarantined) return denied('quarantined', 'quarantined', 'the index has quarantined the project');
  // Each finding counts from the end of what lifts it until its own end; nothing else changes with time alone.
  const spans = [...findings(file, project, view, now)].map((found) => {
    const lifted = exempt.filter(({ from }) => from.includes(found.rule as Liftable)).map(({ until }) => until);
    return { found, from: Math.max(now, ...lifted), until: found.until };
  });
  // Denials come before what is held, so that the first one decides.
  const first = (at: number) => spans.find(({ from, until }) => from <= at && at < until)?.found;
  const found = first(now);
  const changes = spans.flatMap(({ from, until }) => [from, until]).filter((at) => at > now && at < Infinity);
  const until =
    changes.sort((one, other) => one - other).find((at) => first(at)?.verdict !== found?.verdict) ?? Infinity;
  return found === undefined ? { verdict: 'visible', until } : { ...found, until };
}

/** A verdict that keeps a file out. */
export type Refusal = Exclude<Verdict, { readonly verdict: 'visible' }>;

/** Every reason against the file, in order. */
function* findings(file: FileFacts, project: ProjectFacts, view: View, now: number): Generator<Refusal> {
  const { departed, version } = file;
  if (departed !== undefined && departed.at - departed.since < view.removedYoungerMs) {
    const reason = `removed from the index ${day(departed.at)}, less than ${span(view.removedYoungerMs)} after its upload`;
    yield denied('removed', 'removed', reason);
  }
  for (const { rule, specifier, reason } of view.deny) {
    if (meets(version, specifier))
      yield denied('deny', rule, reason === undefined ? `rule ${rule}` : `${rule}: ${reason}`);
  }
  if (view.allow !== undefined && !view.allow.some((specifier) => meets(version, specifier))) {
    yield denied('allow', 'default', 'not on the allow list');
  }
  const kind = kindOf(file.filename);
  if (view.files[kind] === 'refuse') yield denied('files', kind, `files of the kind ${kind} are refused`);
  if (view.newProjectsMs > 0 && now < project.firstSince + view.newProjectsMs) {
    yield held(
      'new_projects',
      'new_projects',
      project.firstSince + view.newProjectsMs,
      `new project, held ${span(view.newProjectsMs)}`,
    );
  }
  const { rule, ms } = view.cooldown;
  if (ms === 0 || (view.missingTime === 'allow' && !file.hasUploadTime)) return;
  if (view.missingTime === 'hold' && !file.hasUploadTime) {
    yield held('cooldown', rule, Number.POSITIVE_INFINITY, `its upload time is unknown (missing_time: hold)`);
  } else if (now < file.ripensFrom + ms) {
    yield held('cooldown', rule, file.ripensFrom + ms, `${rule === 'cooldown' ? '' : `${rule}: `}cooldown ${span(ms)}`);
  }
}

function denied(rule: RefusalRule, ruleName: string, reason: string): Refusal {
  return { verdict: 'denied', rule, ruleName, until: Number.POSITIVE_INFINITY, reason };
}

function held(rule: RefusalRule, ruleName: string, until: number, reason: string): Refusal {
  return { verdict: 'held', rule, ruleName, until, reason };
}

function covers({ release }: Exemption, { version }: FileFacts): boolean {
  return meets(version, release.specifier);
}

/** The kind of a distribution file, by the end of its name. */
export function kindOf(filename: string): FileKind {
  const name = filename.toLowerCase();
  if (name.endsWith('.whl')) return 'wheel';
  if (/\.(?:tar\.(?:gz|bz2|xz|z|lzma)|tgz|tbz|zip|tar)$/.test(name)) return 'sdist';
  if (name.endsWith('.egg')) return 'egg';
  if (/\.(?:exe|msi)$/.test(name)) return 'exe';
  return name.endsWith('.rpm') ? 'rpm' : 'other';
}

/** Printable ASCII of a reason phrase, the only thing that pip shows of a refusal. */
const REASON_PHRASE_LENGTH = 160;

/** `demo 2.0 is held until 2026-12-15T12:00Z (cooldown 7d); security@example`, for the reason phrase and for `detail`. */
export function refusalText(refusal: Refusal, release: string, contact: string | undefined): string {
  const until = refusal.until === Number.POSITIVE_INFINITY ? '' : ` until ${minute(refusal.until)}`;
  const what = refusal.verdict === 'held' ? `held${until}` : refusal.rule === 'removed' ? 'pulled' : 'denied';
  return `${release} is ${what} (${refusal.reason})${contact === undefined ? '' : `; ${contact}`}`;
}

/** The text as a reason phrase (RFC 9112 4): printable ASCII, at most 160 characters. */
export function reasonPhrase(text: string): string {
  const printable = text.replace(/[^\x20-\x7e]+/g, '?');
  return printable.length <= REASON_PHRASE_LENGTH ? printable : `${printable.slice(0, REASON_PHRASE_LENGTH - 3)}...`;
}

function minute(at: number): string {
  // Rounded up: at the minute that is told the file is there.
  return `${new Date(Math.ceil(at / 60_000) * 60_000).toISOString().slice(0, 16)}Z`;
}

function day(at: number): string {
  return `on ${new Date(at).toISOString().slice(0, 10)}`;
}

/** `7d`, `12h`, `90m`, `5s`. */
function span(ms: number): string {
  for (const [unit, size] of [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
  ] as const) {
    if (ms % size === 0) return `${ms / size}${unit}`;
  }
  return `${ms / 1000}s`;
}
