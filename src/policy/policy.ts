// A supply-chain policy as the operator wrote it, and its narrow view: what of it concerns one project. The view is plain
// data, so it can cross to another thread, and its digest keys what is rendered by it.

import { createHash } from 'node:crypto';
import { matchesProject, type ReleasePattern } from './release-pattern.ts';

/** The checks that an exemption may lift, in the order in which `judge` makes them. Quarantine cannot be lifted. */
export const LIFTABLE = ['removed', 'deny', 'allow', 'files', 'new_projects', 'cooldown'] as const;
export type Liftable = (typeof LIFTABLE)[number];

/** Kinds of distribution files, by the end of the name. */
export const FILE_KINDS = ['wheel', 'sdist', 'egg', 'exe', 'rpm', 'other'] as const;
export type FileKind = (typeof FILE_KINDS)[number];

export interface Rule {
  /** Stands in reasons, metrics and events. */
  readonly name: string;
  readonly deny: readonly ReleasePattern[];
  readonly allow: readonly ReleasePattern[];
  /** Replaces the general cooldown for `projects`; of several such rules the longest counts. Milliseconds. */
  readonly cooldownMs: number | undefined;
  readonly projects: readonly ReleasePattern[];
  readonly reason: string | undefined;
}

export interface Exemption {
  readonly release: ReleasePattern;
  readonly from: readonly Liftable[];
  /** Milliseconds since the epoch, exclusive; Infinity is for ever. */
  readonly until: number;
  readonly reason: string | undefined;
  readonly by: string | undefined;
}

export interface Policy {
  /** `report` counts verdicts and changes no byte. */
  readonly mode: 'enforce' | 'report';
  /** Whom to ask; part of every reason. */
  readonly contact: string | undefined;
  /** How old a file must be, in milliseconds; 0 is no cooldown. */
  readonly cooldownMs: number;
  /** How old the first file of a project must be, in milliseconds; 0 is any age. */
  readonly newProjectsMs: number;
  /** How a held file is shown on pages. */
  readonly held: 'hidden' | 'yanked';
  /** What becomes of a held file that is asked for by its address. */
  readonly locked: 'refuse' | 'serve';
  /** How a file without an upload time is aged. */
  readonly missingTime: 'first_seen' | 'hold' | 'allow';
  /** A file that left its page before it was this old was pulled. Milliseconds. */
  readonly removedYoungerMs: number;
  readonly files: Readonly<Partial<Record<FileKind, 'allow' | 'refuse'>>>;
  /** `deny`: only what an `allow` names is shown. */
  readonly default: 'allow' | 'deny';
  readonly rules: readonly Rule[];
  readonly exempt: readonly Exemption[];
}

/** In force when nothing is configured: only what was pulled young is refused. */
export const NO_POLICY: Policy = {
  mode: 'enforce',
  contact: undefined,
  cooldownMs: 0,
  newProjectsMs: 0,
  held: 'hidden',
  locked: 'refuse',
  missingTime: 'first_seen',
  removedYoungerMs: 14 * 86_400_000,
  files: {},
  default: 'allow',
  rules: [],
  exempt: [],
};

/** What of a policy concerns one project of one index. */
export interface View extends Omit<Policy, 'rules' | 'default' | 'cooldownMs'> {
  readonly cooldown: { readonly rule: string; readonly ms: number };
  readonly deny: readonly { readonly rule: string; readonly specifier: string; readonly reason: string | undefined }[];
  /** Specifiers that are allowed; undefined where everything is. */
  readonly allow: readonly string[] | undefined;
  /** Of the view's content: two projects with the same view and page have the same rendering. */
  readonly digest: string;
}

/** The policy as it concerns `project` (its normal name). */
export function narrow(policy: Policy, project: string): View {
  const { rules, default: otherwise, cooldownMs, exempt, ...plain } = policy;
  const about = (patterns: readonly ReleasePattern[]) => patterns.filter((one) => matchesProject(one, project));
  const cooldowns = rules.flatMap((rule) =>
    rule.cooldownMs !== undefined && about(rule.projects).length > 0 ? [{ rule: rule.name, ms: rule.cooldownMs }] : [],
  );
  const content: Omit<View, 'digest'> = {
    ...plain,
    cooldown: cooldowns.sort((one, other) => other.ms - one.ms)[0] ?? { rule: 'cooldown', ms: cooldownMs },
    deny: rules.flatMap((rule) =>
      about(rule.deny).map(({ specifier }) => ({ rule: rule.name, specifier, reason: rule.reason })),
    ),
    allow:
      otherwise === 'allow' ? undefined : rules.flatMap((rule) => about(rule.allow)).map(({ specifier }) => specifier),
    exempt: exempt.filter(({ release }) => matchesProject(release, project)),
  };
  // Infinity has no JSON.
  const text = JSON.stringify(content, (_, value) => (value === Number.POSITIVE_INFINITY ? 'never' : value));
  return { ...content, digest: createHash('sha256').update(text).digest('hex').slice(0, 32) };
}

/** Whether the view may keep out anything that a page lists; if not, pages are as without a policy. */
export function mayRefuse(view: View): boolean {
  const { cooldown, newProjectsMs, deny, allow, files } = view;
  const refusesKind = Object.values(files).includes('refuse');
  return cooldown.ms > 0 || newProjectsMs > 0 || deny.length > 0 || allow !== undefined || refusesKind;
}

/** The patterns of projects of which every version is denied and none exempted, for the list of projects. */
export function wholeDenials({ mode, rules, exempt }: Policy): readonly ReleasePattern[] {
  if (mode === 'report') return [];
  const lifted = exempt.filter(({ from }) => from.includes('deny'));
  const isWhole = (pattern: ReleasePattern) =>
    pattern.specifier === '' && !lifted.some(({ release }) => matchesProject(pattern, release.name));
  return rules.flatMap(({ deny }) => deny.filter(isWhole));
}
