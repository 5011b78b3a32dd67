// The policies in force, one an index, and what of them concerns one project: worked out once and kept until they change.

import { LRUCache } from 'lru-cache';
import { NO_POLICY, narrow, type Policy, type View } from './policy.ts';

/** Views kept ready; another one costs some microseconds. */
const MAX_VIEWS = 4_000;

export class Policies {
  readonly #views = new LRUCache<string, View>({ max: MAX_VIEWS });
  readonly #byIndex: ReadonlyMap<string, Policy>;

  /** By the name of the index; one that is missing has no policy but the refusal of what was pulled. */
  constructor(byIndex: ReadonlyMap<string, Policy>) {
    this.#byIndex = byIndex;
  }

  /** What concerns this project (its normal name) of this index. */
  view(index: string, project: string): View {
    const key = `${index}/${project}`;
    let view = this.#views.get(key);
    if (view === undefined) {
      view = narrow(this.#byIndex.get(index) ?? NO_POLICY, project);
      this.#views.set(key, view);
    }
    return view;
  }
}
