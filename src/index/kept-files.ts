// Files to which an index gives another hash than it did before, where the operator does not accept that: the page goes
// on listing them by the records that clients know, until the operator purges the project. Files that left a page are
// remembered in the same form, in case that they come back as others.

import { addressOf } from './file-links.ts';
import type { FileRecord, ProjectDetail } from './page.ts';
import { DEFAULT_PAGE_LIMITS } from './page-input.ts';
import { parseDetailJson } from './parse-json.ts';
import { detailJson } from './render-json.ts';

/** What is remembered of them with the page. */
export type KeptFiles = {
  readonly filenames: readonly string[];
  /** Their records as they were: the text of a page (PEP 691) with absolute URLs. */
  readonly page: string;
};

/** More would burden the page's entry, and are no slip of a publisher's: such a page is refused as a whole. */
export const MOST_KEPT_FILES = 100;
const MOST_KEPT_CHARACTERS = 256 * 1024;

export function areTooMany({ filenames, page }: KeptFiles): boolean {
  return filenames.length > MOST_KEPT_FILES || page.length > MOST_KEPT_CHARACTERS;
}

/** The records of these files on the page that is held. Undefined for none of them. */
export function keptFiles(held: ProjectDetail, filenames: readonly string[]): KeptFiles | undefined {
  if (filenames.length === 0) return undefined;
  const names = new Set(filenames);
  const { name, apiVersion, htmlVersion } = held;
  const files = held.files
    .filter(({ filename }) => names.has(filename))
    .map((file) => (file.userInfo === undefined ? file : { ...file, url: addressOf(file) }));
  const page: ProjectDetail = { ...NOTHING_ELSE, name, apiVersion, htmlVersion, files, source: {} };
  return { filenames, page: detailJson(page, { fileLink: (url) => url }) };
}

/** Of the files that have left the page, as many as may be remembered, the latest. Undefined for none. */
export function departedFiles(held: ProjectDetail, filenames: readonly string[]): KeptFiles | undefined {
  const departed = keptFiles(held, filenames.slice(-MOST_KEPT_FILES));
  return departed === undefined || areTooMany(departed) ? undefined : departed;
}

/** The page with the files that have left it. */
export function withDepartedFiles(page: ProjectDetail, departed: KeptFiles | undefined): ProjectDetail {
  return departed === undefined ? page : { ...page, files: [...recordsOf(departed), ...page.files] };
}

/** The page as it is shown: each kept file in the place of what the index lists under its name now. */
export function withKeptFiles(page: ProjectDetail, kept: KeptFiles | undefined): ProjectDetail {
  if (kept === undefined) return page;
  const records = Map.groupBy(recordsOf(kept), ({ filename }) => filename);
  const files: FileRecord[] = [];
  for (const file of page.files) {
    const known = records.get(file.filename);
    if (known === undefined) files.push(file);
    else files.push(...known.splice(0));
  }
  // From 1.1 on sizes are mandatory (PEP 700); a record that came from HTML has none.
  const lacksSize = files.some(({ source }) => source.size === undefined);
  return { ...page, files, apiVersion: lacksSize ? '1.0' : page.apiVersion };
}

function recordsOf({ page }: KeptFiles): readonly FileRecord[] {
  const input = { body: Buffer.from(page), contentType: undefined, url: 'https://index.example/' };
  return parseDetailJson(input, DEFAULT_PAGE_LIMITS).files;
}

const NOTHING_ELSE = { serial: undefined, status: undefined, versions: undefined, remarks: [] } as const;
