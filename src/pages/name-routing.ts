// Which indexes are asked for a name. A bound name is asked at its index and nowhere else, also when that index is
// down: the decision is made here, from configuration alone, before anything is looked up or sent.

import type { ProjectName } from './project-name.ts';

/** One route of the configuration: names bound to an index. */
export interface NameRoute {
  /** Patterns over normal names; `*` stands for any run of characters. */
  readonly names: readonly string[];
  readonly index: string;
}

/** Answers from configuration alone which indexes may be asked for a name. */
export class NameRouting {
  /** As configured, for those who work on another thread. */
  readonly routes: readonly NameRoute[];
  readonly #exact = new Map<string, string>();
  readonly #patterns: { readonly matches: (name: string) => boolean; readonly index: string }[] = [];

  /** The first route that matches a name decides. */
  constructor(routes: readonly NameRoute[]) {
    this.routes = routes;
    for (const { names, index } of routes) for (const name of names) this.#add(normalPattern(name), index);
  }

  /** The index to which the name is bound; undefined when it is free. */
  boundTo(name: ProjectName): string | undefined {
    const exact = this.#exact.get(name);
    if (exact !== undefined || this.#patterns.length === 0) return exact;
    return this.#patterns.find(({ matches }) => matches(name))?.index;
  }

  /** Of the indexes that a request may ask, in order, those that this name may be asked at. */
  allowed(name: ProjectName, indexes: readonly string[]): readonly string[] {
    const bound = this.boundTo(name);
    if (bound === undefined) return indexes;
    return indexes.includes(bound) ? [bound] : [];
  }

  /**
   * Of the indexes that a request may ask, those at which all of `names` may be asked: what could be a bound name, in
   * any reading, is asked where that one is bound, and no other reading of it anywhere else.
   */
  allowedForAny(names: readonly ProjectName[], indexes: readonly string[]): readonly string[] {
    const bound = new Set(names.map((name) => this.boundTo(name)).filter((index) => index !== undefined));
    return bound.size === 0 ? indexes : indexes.filter((index) => bound.has(index));
  }

  #add(pattern: string, index: string): void {
    if (pattern.includes('*')) this.#patterns.push({ matches: wildcard(pattern), index });
    else if (this.boundTo(pattern as ProjectName) === undefined) this.#exact.set(pattern, index);
  }
}

/** A pattern is compared with normal names, so it is normalised like one (PEP 503), its stars kept. */
function normalPattern(pattern: string): string {
  return pattern.toLowerCase().replace(/[-_.]+/g, '-');
}

/**
 * Whether a name matches: the parts between stars occur in it in order, the first at its start and the last at its end.
 * Taking each at its first place is enough, and no name can make it slow, as one could a regular expression.
 */
function wildcard(pattern: string): (name: string) => boolean {
  const parts = pattern.split('*');
  const first = parts.shift()!;
  const last = parts.pop()!;
  return (name) => {
    let from = first.length;
    const end = name.length - last.length;
    if (end < from || !name.startsWith(first) || !name.endsWith(last)) return false;
    for (const part of parts) {
      const at = name.indexOf(part, from);
      if (at < 0 || at + part.length > end) return false;
      from = at + part.length;
    }
    return true;
  };
}
