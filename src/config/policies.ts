// `policy`: the rules for releases of each index, from the YAML file. The file may change while the server runs.

import { readFile } from 'node:fs/promises';
import type { Policy } from '../policy/policy.ts';
import type { ReleasePattern } from '../policy/release-pattern.ts';
import type { PolicyConfig } from './config.ts';
import { ConfigurationError, type Problem } from './problems.ts';
import { duration } from './units.ts';
import type { YamlFile } from './yaml-file.ts';

/** The policies of a file that has any; undefined for one that has none. Mistakes are added to `problems`. */
export async function policiesOf(
  file: YamlFile & { readonly path: string },
  names: readonly string[],
  problems: Problem[],
): Promise<PolicyConfig | undefined> {
  const { policy: general, indexes = {} } = file.structures;
  const byIndex = new Map<string, Policy>();
  for (const name of names) {
    const own = indexes[name]?.policy;
    const policy = own === undefined ? general : own === 'none' ? undefined : own;
    if (policy !== undefined) byIndex.set(name, policy);
  }
  if (byIndex.size === 0) return undefined;
  const { exemptionMistakes } = await import('./policy-block.ts');
  for (const [name, policy] of byIndex) {
    const key = policy === general ? 'policy' : `indexes.${name}.policy`;
    for (const mistake of exemptionMistakes(policy, Date.now())) {
      const where = `${key}.${mistake.key}`;
      if (problems.some((known) => known.key === where)) continue;
      problems.push({ key: where, value: undefined, source: file.sourceOf(where), cure: mistake.cure });
    }
  }
  return { file: file.path, byIndex };
}

/** A sentence for each exemption that has ended and still stands in the file. `now` is in milliseconds since the epoch. */
export function endedExemptions({ byIndex }: PolicyConfig, now: number): readonly string[] {
  const ended = [...new Set(byIndex.values())].flatMap(({ exempt }) => exempt.filter(({ until }) => until <= now));
  return ended.map(
    ({ release, until }) =>
      `policy: the exemption of ${release.text} ended on ${new Date(until).toISOString().slice(0, 10)}; remove it, or give it a later until.`,
  );
}

/** Reads the file again. Throws ConfigurationError with all that is wrong in the file. */
export async function rereadPolicies(path: string, names: readonly string[]): Promise<ReadonlyMap<string, Policy>> {
  const { readYamlFile } = await import('./yaml-file.ts');
  const file = readYamlFile(path, await readFile(path, 'utf8'));
  // Any mistake: where one key is misread, the rules beside it may be meant otherwise than they are understood.
  const problems = [...file.problems];
  const found = await policiesOf({ ...file, path }, names, problems);
  if (problems.length > 0) throw new ConfigurationError(problems);
  return found?.byIndex ?? new Map();
}

const durations = duration();

/** The policy as the block of the file that reads back as it. */
export function policyRecord(policy: Policy): Readonly<Record<string, unknown>> {
  const { contact, mode, held, locked, files, rules, exempt } = policy;
  const texts = (patterns: readonly ReleasePattern[]) => patterns.map(({ text }) => text);
  return {
    ...(contact !== undefined && { contact }),
    mode,
    cooldown: durations.format(policy.cooldownMs),
    new_projects: durations.format(policy.newProjectsMs),
    held,
    locked,
    missing_time: policy.missingTime,
    removed: { younger_than: durations.format(policy.removedYoungerMs) },
    ...(Object.keys(files).length > 0 && { files }),
    default: policy.default,
    ...(rules.length > 0 && {
      rules: rules.map(({ name, deny, allow, cooldownMs, projects, reason }) => ({
        name,
        ...(deny.length > 0 && { deny: texts(deny) }),
        ...(allow.length > 0 && { allow: texts(allow) }),
        ...(cooldownMs !== undefined && { cooldown: durations.format(cooldownMs) }),
        ...(projects.length > 0 && { projects: texts(projects) }),
        ...(reason !== undefined && { reason }),
      })),
    }),
    ...(exempt.length > 0 && {
      exempt: exempt.map(({ release, from, until, reason, by }) => ({
        release: release.text,
        from,
        until: until === Number.POSITIVE_INFINITY ? 'never' : new Date(until).toISOString(),
        ...(reason !== undefined && { reason }),
        ...(by !== undefined && { by }),
      })),
    }),
  };
}
