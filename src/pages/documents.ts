// The two kinds of JSON documents that are cached beside index pages: the legacy description of a project, whose file
// URLs become ours, and a file's provenance, which stays byte for byte what upstream sent (PEP 740).

import { isJsonObject, type JsonObject, parseExactJson } from './exact-json.ts';
import { fileLink } from './file-links.ts';
import { InvalidPage } from './invalid-page.ts';
import type { PageFacts, PageInput, Remark } from './page.ts';
import { FileChecks, serialOf } from './page-fields.ts';
import type { Screen } from './screen.ts';

/** The documents that an index has beside its pages. */
export type DocumentKind = 'legacy-json' | 'provenance';

/** A document and, for its links, the way from it to our root: relative, or absolute; each with the final slash. */
export interface DocumentForm {
  readonly kind: DocumentKind;
  readonly root: string;
  /** Of the legacy JSON: what the policy keeps out of it. */
  readonly seen?: Seen;
}

export interface Seen {
  /** Names all that follows, for keys of what is made of it. */
  readonly name: string;
  /** Files that are left out, or shown as yanked. */
  readonly refused: Screen['refused'];
  /** JSON text with the `info` and `urls` that are shown in the place of the document's own. */
  readonly latest?: string;
}

/** What a legacy JSON document says of its latest version, as text. Throws InvalidPage when there is none. */
export function latestOf(body: Buffer): string {
  const document = parseExactJson(body, LEGACY_JSON_DEPTH);
  if (!isJsonObject(document) || !isJsonObject(document.info)) {
    throw new InvalidPage('the body is no JSON description of a project');
  }
  const { info, urls } = document;
  return JSON.stringify({ info, ...(urls !== undefined && { urls }) });
}

/** The media type that is asked for, by kind. */
export const DOCUMENT_TYPES: Readonly<Record<DocumentKind, string>> = {
  'legacy-json': 'application/json',
  provenance: 'application/vnd.pypi.integrity.v1+json',
};

/** What judging a successor needs to know. Throws InvalidPage when the body is no such document. */
export function checkDocument(kind: DocumentKind, input: PageInput): PageFacts {
  const document = parsed(kind, input);
  const { urls, last_serial: last } = document;
  const serial =
    kind === 'provenance' ? undefined : Number.isSafeInteger(last) ? Number(last) : serialOf(input.serialHeader);
  return {
    ...(serial !== undefined && { serial }),
    files: Array.isArray(urls) ? urls.length : 1,
    apiVersion: '1.0',
  };
}

/** The document's bytes as clients get them. */
export function renderDocument({ kind, root, seen }: DocumentForm, input: PageInput): Buffer {
  if (kind === 'provenance') return input.body;
  return mapLegacyJson(input.body, input.url, (url) => fileLink(url, root), seen).bytes;
}

function parsed(kind: DocumentKind, { body }: PageInput): JsonObject {
  const document = parseExactJson(body, LEGACY_JSON_DEPTH);
  const proof = kind === 'legacy-json' ? 'info' : 'attestation_bundles';
  if (!isJsonObject(document) || typeof document[proof] !== 'object' || document[proof] === null) {
    throw new InvalidPage(`the JSON has no ${proof}`);
  }
  return document;
}

// /pypi/<name>/json and /pypi/<name>/<version>/json, which a few tools still ask: every file URL becomes ours, all
// the rest stays as upstream sent it.

/** `info` may hold whatever a project's metadata holds, so more than a page needs. */
export const LEGACY_JSON_DEPTH = 64;

/** Legacy JSON with our file addresses. */
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
export function mapLegacyJson(
  body: Buffer,
  url: string,
  linkFor: (fileUrl: string) => string,
  seen?: Seen,
): MappedLegacyJson {
  const document = parseExactJson(body, LEGACY_JSON_DEPTH);
  if (!isJsonObject(document) || !isJsonObject(document.info)) {
    throw new InvalidPage('the body is no JSON description of a project');
  }
  const latest = seen?.latest === undefined ? undefined : parseExactJson(Buffer.from(seen.latest), LEGACY_JSON_DEPTH);
  const { info, urls } = isJsonObject(latest) ? latest : document;
  const { releases } = document;
  const checks = new FileChecks(url);
  const mapped = {
    ...document,
    info,
    ...(urls !== undefined && { urls: mapFiles(urls, checks, linkFor, seen) }),
    ...(isJsonObject(releases) && {
      releases: Object.fromEntries(
        Object.entries(releases)
          .map(([version, files]) => [version, mapFiles(files, checks, linkFor, seen), files] as const)
          // A version leaves when all its files are hidden.
          .filter(([, shown, files]) => seen === undefined || !isEmptied(files, shown))
          .map(([version, shown]) => [version, shown]),
      ),
    }),
  };
  return { bytes: Buffer.from(JSON.stringify(mapped)), remarks: checks.remarks };
}

function isEmptied(before: unknown, now: unknown): boolean {
  return Array.isArray(before) && Array.isArray(now) && before.length > 0 && now.length === 0;
}

function mapFiles(files: unknown, checks: FileChecks, linkFor: (fileUrl: string) => string, seen?: Seen): unknown {
  if (!Array.isArray(files)) return files;
  const mapped: JsonObject[] = [];
  for (const file of files) {
    if (!isJsonObject(file) || typeof file.url !== 'string') {
      checks.note('a file without URL', 'no-file-object');
      continue;
    }
    const name = typeof file.filename === 'string' ? file.filename : 'a file without name';
    const location = checks.location(file.url, name);
    const kept = seen?.refused.get(name);
    if (location === undefined || kept?.hidden) continue;
    const yanked = kept && { yanked: true, yanked_reason: kept.text };
    mapped.push({ ...file, url: linkFor(location.url), ...yanked });
  }
  return mapped;
}
