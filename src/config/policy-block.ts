// The block `policy` of the YAML file: read into a Policy (src/policy/policy.ts), every mistake with its cure.

import { z } from 'zod';
import { FILE_KINDS, LIFTABLE, NO_POLICY, type Policy } from '../policy/policy.ts';
import { parseReleasePattern, type ReleasePattern } from '../policy/release-pattern.ts';
import { readInstant } from '../policy/since.ts';
import { duration, InvalidValue, type Unit } from './units.ts';
import { inUnit, record } from './yaml-values.ts';

const pattern: Unit<ReleasePattern> = {
  name: 'release pattern',
  parse: (input) => {
    const found = parseReleasePattern(input);
    if (found !== undefined) return found;
    throw new InvalidValue(
      'expected a project, or projects with *, and versions by PEP 440, for example "bar>=2,<2.4"',
    );
  },
  format: ({ text }) => text,
};

/** An exemption is for a while: longer ones are rules. */
const MOST_EXEMPT_MS = 90 * 86_400_000;
const UNTIL = 'expected a date such as 2026-12-20, an instant, or never';

const until: Unit<number> = {
  name: 'instant',
  parse: (input) => {
    if (input.toLowerCase() === 'never') return Number.POSITIVE_INFINITY;
    // The reader of YAML makes a date of an unquoted one.
    const at = readInstant(input);
    if (at === undefined) throw new InvalidValue(UNTIL);
    return at;
  },
  format: (at) => (at === Number.POSITIVE_INFINITY ? 'never' : new Date(at).toISOString()),
};

const sentence = (what: string) => z.string({ error: `expected ${what}` }).min(1, { error: `expected ${what}` });
const patterns = z.array(inUnit(pattern), { error: 'expected a list of releases, for example ["foo", "evil-*"]' });
const days = inUnit(duration());

const rule = record({
  name: sentence('a name, which reasons and metrics show'),
  deny: patterns.default([]),
  allow: patterns.default([]),
  cooldown: days.optional(),
  projects: patterns.default([]),
  reason: sentence('a reason').optional(),
}).refine(({ deny, allow, cooldown }) => deny.length > 0 || allow.length > 0 || cooldown !== undefined, {
  error: 'expected at least one of deny, allow, and cooldown with projects',
});

const exemption = record({
  release: inUnit(pattern),
  from: z
    .array(z.enum(LIFTABLE, { error: `expected checks out of ${LIFTABLE.join(', ')}` }), {
      error: `expected a list of checks out of ${LIFTABLE.join(', ')}`,
    })
    .min(1, { error: `expected at least one check out of ${LIFTABLE.join(', ')}` }),
  until: inUnit(until),
  reason: sentence('a reason').optional(),
  by: sentence('a name').optional(),
});

const verdict = z.enum(['allow', 'refuse'], { error: 'expected allow or refuse' });

export const policyBlock = record({
  contact: sentence('whom to ask, for example security@example').optional(),
  mode: z.enum(['enforce', 'report'], { error: 'expected enforce or report' }).default(NO_POLICY.mode),
  cooldown: days.default(NO_POLICY.cooldownMs),
  new_projects: days.default(NO_POLICY.newProjectsMs),
  held: z.enum(['hidden', 'yanked'], { error: 'expected hidden or yanked' }).default(NO_POLICY.held),
  locked: z.enum(['refuse', 'serve'], { error: 'expected refuse or serve' }).default(NO_POLICY.locked),
  missing_time: z
    .enum(['first_seen', 'hold', 'allow'], { error: 'expected first_seen, hold or allow' })
    .default(NO_POLICY.missingTime),
  removed: record({ younger_than: days }).default({ younger_than: NO_POLICY.removedYoungerMs }),
  files: record(Object.fromEntries(FILE_KINDS.map((kind) => [kind, verdict.optional()]))).default({}),
  default: z.enum(['allow', 'deny'], { error: 'expected allow or deny' }).default(NO_POLICY.default),
  rules: z.array(rule, { error: 'expected a list of rules, each with its name' }).default([]),
  exempt: z.array(exemption, { error: 'expected a list of { release, from, until }' }).default([]),
})
  .refine(({ held, locked }) => locked === 'refuse' || held === 'yanked', {
    error: 'a held file can only be served by its address where pages list it; set held: yanked',
    path: ['locked'],
  })
  .transform(
    ({ cooldown, new_projects, missing_time, removed, rules, exempt, contact, files, ...same }): Policy => ({
      ...same,
      contact,
      files: files as Policy['files'],
      cooldownMs: cooldown,
      newProjectsMs: new_projects,
      missingTime: missing_time,
      removedYoungerMs: removed.younger_than,
      rules: rules.map(({ cooldown: cooldownMs, reason, ...named }) => ({ ...named, cooldownMs, reason })),
      exempt: exempt.map(({ reason, by, ...lifted }) => ({ ...lifted, reason, by })),
    }),
  );

/** What only the clock can find wrong with a policy: the keys below `policy`, each with its cure. */
export function exemptionMistakes(policy: Policy, now: number): { readonly key: string; readonly cure: string }[] {
  return policy.exempt.flatMap(({ until: end }, position) => {
    const key = `exempt.${position}.until`;
    if (end === Number.POSITIVE_INFINITY) return [];
    return end > now + MOST_EXEMPT_MS ? [{ key, cure: 'expected at most 90 days from now, or never' }] : [];
  });
}
