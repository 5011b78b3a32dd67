// Entry stores for tests: opened in a fresh folder, every event counted, closed and swept away with the test.

import { TieredEntryStore, type TieredEntryStoreOptions } from '../../../src/store/entries/tiered-entries.ts';
import { lastingFolder } from './temporary-folder.ts';

export interface TestStore {
  readonly store: TieredEntryStore;
  readonly dataDir: string;
  /** How often each event was counted. */
  readonly events: Map<string, number>;
  /** Every change of Redis's state, with its reason. */
  readonly redisStates: string[];
  damaged: number;
}

/** Opens a store with defaults that fit most tests. */
export async function openStore(options: Partial<TieredEntryStoreOptions> = {}): Promise<TestStore> {
  const dataDir = options.dataDir ?? lastingFolder();
  const events = new Map<string, number>();
  const redisStates: string[] = [];
  const observed = { damaged: 0 };
  const store = await TieredEntryStore.open({
    dataDir,
    memoryBytes: 16 * 1024 * 1024,
    now: Date.now,
    count: (event) => void events.set(event, (events.get(event) ?? 0) + 1),
    onDamaged: () => {
      observed.damaged += 1;
    },
    onRedisState: (state, reason) => void redisStates.push(`${state} ${reason}`),
    ...options,
  });
  return Object.assign(observed, { store, dataDir, events, redisStates });
}
