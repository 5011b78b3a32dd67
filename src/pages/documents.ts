// The two kinds of JSON documents that are cached beside index pages: the legacy description of a project, whose file
// URLs become ours, and a file's provenance, which stays byte for byte what upstream sent (PEP 740).

import { LEGACY_JSON_DEPTH, mapLegacyJson } from '../index/legacy-json.ts';
import type { PageInput } from '../index/page-input.ts';
import { isJsonObject, type JsonObject, parseExactJson } from './exact-json.ts';
import { fileLink } from './file-links.ts';
import { InvalidPage } from './invalid-page.ts';
import type { PageFacts } from './page.ts';
import { serialOf } from './page-fields.ts';

export type DocumentKind = 'legacy-json' | 'provenance';

/** A document and, for its links, the way from it to our root: relative, or absolute; each with the final slash. */
export interface DocumentForm {
  readonly kind: DocumentKind;
  readonly root: string;
}

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
export function renderDocument({ kind, root }: DocumentForm, input: PageInput): Buffer {
  if (kind === 'provenance') return input.body;
  return mapLegacyJson(input.body, input.url, (url) => fileLink(url, root)).bytes;
}

function parsed(kind: DocumentKind, { body }: PageInput): JsonObject {
  const document = parseExactJson(body, LEGACY_JSON_DEPTH);
  const proof = kind === 'legacy-json' ? 'info' : 'attestation_bundles';
  if (!isJsonObject(document) || typeof document[proof] !== 'object' || document[proof] === null) {
    throw new InvalidPage(`the JSON has no ${proof}`);
  }
  return document;
}
