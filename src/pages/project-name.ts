// Project names and their normal form: the key under which a project is stored, routed and judged.

/** A valid project name in normal form: lower case, every run of `-`, `_` and `.` one `-` (PEP 503). */
export type ProjectName = string & { readonly brand: 'ProjectName' };

/** Longer names are refused here, so that nobody can make us ask upstream for arbitrary text. */
const MAX_NAME_LENGTH = 200;

/** "ASCII letters, numbers, period, underscore and hyphen, starting and ending with a letter or number" (PEP 508). */
const VALID_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/;

/** Upper case, another separator than `-`, or two separators in a row: what a normal name does not have. */
const NOT_NORMAL = /[A-Z._]|--/;

/** The project named by `text`, and whether `text` is its normal form already; undefined when it is no valid name. */
export function parseProjectName(text: string): { name: ProjectName; canonical: boolean } | undefined {
  if (text.length > MAX_NAME_LENGTH || !VALID_NAME.test(text)) return undefined;
  if (!NOT_NORMAL.test(text)) return { name: text as ProjectName, canonical: true };
  return { name: text.toLowerCase().replace(/[-_.]+/g, '-') as ProjectName, canonical: false };
}
