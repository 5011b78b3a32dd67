// The policies in force, one an index, and what of them concerns one project: worked out once and kept until they change.

import { LRUCache } from 'lru-cache';
import { NO_POLICY, narrow, type Policy, type View } from './policy.ts';

/** Views kept ready; another one costs some microseconds. */
const MAX_VIEWS = 4_000;

export class Policies {
  readonly #views = new LRUCache<string, View>({ max: MAX_VIEWS });
  #byIndex: ReadonlyMap<string, Policy>;
  #changes = 0;

  /** By the name of the index; one that is missing has no policy but the refusal of what was pulled. */
  constructor(byIndex: ReadonlyMap<string, Policy>) {
    this.#byIndex = byIndex;
  }

  /** How often they were replaced: what was made ready before may no longer hold. */
  get changes(): number {
    return this.#changes;
  }

  replace(byIndex: ReadonlyMap<string, Policy>): void {
    this.#byIndex = byIndex;
    this.#changes += 1;
    this.#views.clear();
  }

  of(index: string): Policy {
    return this.#byIndex.get(index) ?? NO_POLICY;
  }

  /** Whether any index has a policy: caches in front of us are then to ask for files again. */
  get any(): boolean {
    return this.#byIndex.size > 0;
  }

  /** What concerns this project (its normal name) of this index. */
  view(index: string, project: string): View {
    const key = `${index}/${project}`;
    let view = this.#views.get(key);
    if (view === undefined) {
      view = narrow(this.of(index), project);
      this.#views.set(key, view);
    }
    return view;
  }
}
