// Wheelkeep over several named indexes, each with its fake upstreams.

import type { TestContext } from 'node:test';
import type { Config, Credentials, IndexConfig } from '../../../src/config/config.ts';
import { FakeClock } from '../clock/clock.ts';
import { temporaryFolder } from '../disk/temporary-folder.ts';
import { FakeIndex, type FakeIndexOptions } from '../upstream/fake-index.ts';
import { type RunningProxy, startProxy } from './proxy.ts';

export interface IndexPlan {
  /** One fake upstream each; a single one unless given. */
  readonly mirrors?: readonly FakeIndexOptions[];
  readonly credentials?: Credentials;
  readonly config?: Partial<Omit<IndexConfig, 'name' | 'upstreams'>>;
}

export interface World {
  /** The one that runs now. */
  readonly proxy: RunningProxy;
  readonly clock: FakeClock;
  /** The only upstream, or the first mirror, of the index. */
  upstream(index: string): FakeIndex;
  mirrors(index: string): readonly FakeIndex[];
  /** Another start on the same data folder, with these settings changed. */
  restart(change: Partial<Config>): Promise<void>;
}

/** The indexes stand in the order of `plans`, which is also the order of `/simple/` unless `config` says otherwise. */
export async function severalIndexes(
  t: TestContext,
  plans: Readonly<Record<string, IndexPlan>>,
  config: Partial<Config> = {},
): Promise<World> {
  const clock = new FakeClock(Date.now());
  const upstreams = new Map<string, readonly FakeIndex[]>();
  const indexes: IndexConfig[] = [];
  for (const [name, plan] of Object.entries(plans)) {
    const mirrors = await Promise.all((plan.mirrors ?? [{}]).map((options) => FakeIndex.start(options)));
    upstreams.set(name, mirrors);
    const { credentials } = plan;
    const bases = mirrors.map(({ url }) => ({ url, ...(credentials && { credentials }) }));
    indexes.push({ name, upstreams: bases, missingStatuses: [], pageOrigins: [], accept: 'any', ...plan.config });
  }
  const all = [...upstreams.values()].flat();
  const origins = all.flatMap(({ pages, files }) => [pages.origin, files.origin]);
  const dataDir = await temporaryFolder(t);
  const settings = { indexes, defaultIndexes: Object.keys(plans), fileOrigins: origins, ...config };
  const start = (change: Partial<Config>) =>
    startProxy({ upstreams: [], dataDir, config: { ...settings, ...change }, now: clock.now });
  let proxy = await start({});
  t.after(async () => {
    await proxy.close();
    await Promise.all(all.map((index) => index.close()));
  });
  return {
    get proxy() {
      return proxy;
    },
    clock,
    upstream: (index) => upstreams.get(index)![0]!,
    mirrors: (index) => upstreams.get(index)!,
    restart: async (change) => {
      await proxy.close();
      proxy = await start(change);
    },
  };
}
