// One requirement (PEP 508): a name, extras, the versions that will do, and the marker that says where it counts.

import { type ProjectName, parseProjectName } from '../pages/project-name.ts';
import { normalExtra } from './marker.ts';

/** One requirement (PEP 508) of an index; those by URL are none. */
export interface Requirement {
  readonly project: ProjectName;
  /** In their normal form. */
  readonly extras: readonly string[];
  /** PEP 440, as it was written; empty when any version will do. */
  readonly specifier: string;
  readonly marker: string | undefined;
}

const SHAPE =
  /^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[([^\]]*)\])?\s*(?:\(([^)]*)\)|([^;@]*?))\s*(?:;\s*(.*))?$/;

/** Undefined for what names a URL, and for what is no requirement. */
export function parseRequirement(line: string): Requirement | undefined {
  const [, name = '', extras = '', inParentheses, bare, marker] = SHAPE.exec(line.trim()) ?? [];
  const project = parseProjectName(name)?.name;
  if (project === undefined) return undefined;
  return {
    project,
    extras: extras
      .split(',')
      .map((extra) => normalExtra(extra.trim()))
      .filter((extra) => extra !== ''),
    specifier: (inParentheses ?? bare ?? '').trim(),
    marker: marker?.trim() || undefined,
  };
}
