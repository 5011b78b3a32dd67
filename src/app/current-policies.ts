// The policies in force, and the file behind them, which may change while we run. What cannot be read changes nothing.

import { ReloadedFiles } from '../access/reloaded-files.ts';
import { rereadPolicies } from '../config/policies.ts';
import { Policies } from '../policy/policies.ts';
import type { Basics } from './context.ts';

export interface CurrentPolicies {
  readonly policies: Policies;
  close(): void;
}

/** A file that names no policy at the start is not looked at again: nobody pays for what is not used. */
export async function openPolicies({ config, telemetry }: Basics): Promise<CurrentPolicies> {
  const { policy, indexes } = config;
  const policies = new Policies(policy?.byIndex ?? new Map());
  if (policy === undefined) return { policies, close: () => {} };
  const names = indexes.map(({ name }) => name);
  let isStart = true;
  const files = new ReloadedFiles({
    paths: [policy.file],
    read: () => rereadPolicies(policy.file, names),
    onChange: (byIndex) => {
      policies.replace(byIndex);
      // The first look finds what the start has read.
      if (!isStart) telemetry.policyReloaded(policy.file, undefined);
      isStart = false;
    },
    onFailure: (failure) => telemetry.policyReloaded(policy.file, failure),
  });
  await files.start();
  return { policies, close: () => files.close() };
}
