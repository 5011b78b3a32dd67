// One list of projects out of those of several indexes, as `/simple/` shows it: a name once, however many have it, and
// a bound name only where it is bound, for elsewhere it has no page.

import { isJsonObject, type JsonObject } from './exact-json.ts';
import type { NameRouting } from './name-routing.ts';
import type { ProjectList } from './page.ts';
import { parseProjectName } from './project-name.ts';

/** The project list of one index, by its name. */
export interface ListOfIndex {
  readonly index: string;
  readonly list: ProjectList;
}

/** The lists in the order of the indexes; the object of the first that has a name is kept. */
export function mergeLists(lists: readonly ListOfIndex[], routing: NameRouting): ProjectList {
  const indexes = lists.map(({ index }) => index);
  const projects = new Map<string, { readonly name: string; readonly object: JsonObject }>();
  for (const { index, list } of lists) {
    for (const object of projectObjects(list)) {
      const { name } = object;
      const normal = typeof name === 'string' ? parseProjectName(name)?.name : undefined;
      if (normal === undefined || projects.has(normal)) continue;
      if (routing.allowed(normal, indexes).includes(index)) projects.set(normal, { name: String(name), object });
    }
  }
  const kept = [...projects.values()];
  return {
    apiVersion: lowest(lists.map(({ list }) => list.apiVersion)),
    htmlVersion: lowest(lists.map(({ list }) => list.htmlVersion)),
    // Each index counts its own changes: the count of all together means nothing.
    serial: undefined,
    names: kept.map(({ name }) => name),
    source: { projects: kept.map(({ object }) => object) },
    remarks: [],
  };
}

/** The projects as objects: upstream's own where the list came as JSON. */
function projectObjects({ source, names }: ProjectList): readonly JsonObject[] {
  return Array.isArray(source.projects) ? source.projects.filter(isJsonObject) : names.map((name) => ({ name }));
}

/** Versions are 1.x; a page of several parts may claim no more than each of them. */
function lowest(versions: readonly string[]): string {
  return versions.reduce((a, b) => (Number(a.slice(2)) <= Number(b.slice(2)) ? a : b));
}
