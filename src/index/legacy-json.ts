// /pypi/<name>/json and /pypi/<name>/<version>/json, which a few tools still ask: every file URL becomes ours, all
// the rest stays as upstream sent it.

import { isJsonObject, type JsonObject, parseExactJson } from '../pages/exact-json.ts';
import { InvalidPage } from '../pages/invalid-page.ts';
import type { Remark } from '../pages/page.ts';
import { FileChecks } from '../pages/page-fields.ts';

/** `info` may hold whatever a project's metadata holds, so more than a page needs. */
export const LEGACY_JSON_DEPTH = 64;

export interface MappedLegacyJson {
  readonly bytes: Buffer;
  /** Files left out because no link can be made for them. */
  readonly remarks: readonly Remark[];
}

/**
 * Maps `urls[].url` and `releases[*][].url`. `url` is the final URL of the answer; `linkFor` makes the link for an
 * absolute file URL (`fileLink`, with the root `../../` below `/pypi/<name>/json`, `../../../` below a version).
 * Throws InvalidPage when the body is no such document.
 */
export function mapLegacyJson(body: Buffer, url: string, linkFor: (fileUrl: string) => string): MappedLegacyJson {
  const document = parseExactJson(body, LEGACY_JSON_DEPTH);
  if (!isJsonObject(document) || !isJsonObject(document.info)) {
    throw new InvalidPage('the body is no JSON description of a project');
  }
  const { urls, releases } = document;
  const checks = new FileChecks(url);
  const mapped = {
    ...document,
    ...(urls !== undefined && { urls: mapFiles(urls, checks, linkFor) }),
    ...(isJsonObject(releases) && {
      releases: Object.fromEntries(
        Object.entries(releases).map(([version, files]) => [version, mapFiles(files, checks, linkFor)]),
      ),
    }),
  };
  return { bytes: Buffer.from(JSON.stringify(mapped)), remarks: checks.remarks };
}

function mapFiles(files: unknown, checks: FileChecks, linkFor: (fileUrl: string) => string): unknown {
  if (!Array.isArray(files)) return files;
  const mapped: JsonObject[] = [];
  for (const file of files) {
    if (!isJsonObject(file) || typeof file.url !== 'string') {
      checks.note('a file without URL', 'no-file-object');
      continue;
    }
    const name = typeof file.filename === 'string' ? file.filename : 'a file without name';
    const location = checks.location(file.url, name);
    if (location !== undefined) mapped.push({ ...file, url: linkFor(location.url) });
  }
  return mapped;
}
