// Index pages in HTML (PEP 503, 592, 658, 714, 740, 792). Each file gets the JSON object that a JSON page would have
// had, as far as HTML can tell, so that everything behind this file sees one kind of page.

import { namesDistribution } from './distribution-name.ts';
import { filenameOfUrl } from './file-links.ts';
import { type Anchor, decodeHtml, type HtmlDocument, readHtml } from './html-document.ts';
import { InvalidPage } from './invalid-page.ts';
import type { FileRecord, Hashes, PageInput, PageLimits, ProjectDetail, ProjectList, ProjectStatus } from './page.ts';
import {
  apiVersionOf,
  FileChecks,
  HASH_ALGORITHMS,
  htmlVersionOf,
  serialOf,
  uploadTimeOf,
  withoutUserInfo,
} from './page-fields.ts';
import { parseProjectName } from './project-name.ts';

/** JSON made from HTML lacks versions, and mostly sizes, which 1.1 demands (PEP 700). */
const JSON_VERSION = '1.0';

const NO_HASHES: Hashes = Object.freeze({});
const NO_ATTRIBUTES: readonly string[] = Object.freeze([]);

const KNOWN_HASHES: ReadonlySet<string> = new Set(HASH_ALGORITHMS);

/** A relative link to a project; the URL parser would only repeat it, a million times on a long list. */
const PLAIN_PROJECT_LINK = /^[A-Za-z0-9_-][A-Za-z0-9._-]*\/?$/;

/** Attributes with a field of their own; the other `data-` attributes travel on unread. */
const KNOWN_ATTRIBUTES = new Set([
  'data-requires-python',
  'data-yanked',
  'data-core-metadata',
  'data-dist-info-metadata',
  'data-gpg-sig',
  'data-provenance',
  'data-size',
  'data-upload-time',
]);

/** Reads a project detail in HTML (PEP 503, PEP 592, PEP 714). Throws InvalidPage. */
export function parseDetailHtml(input: PageInput, limits: PageLimits): ProjectDetail {
  const document = readHtml(decodeHtml(input.body, input.contentType), limits.maxFiles);
  const claimed = document.meta.get('pypi:repository-version')?.trim();
  const checks = new FileChecks(baseOf(document, input.url));
  const files: FileRecord[] = [];
  for (const anchor of document.anchors) {
    const file = readAnchor(anchor, checks);
    if (file !== undefined) files.push(file);
  }
  const heading = document.headings.find((text) => /^links for\b/i.test(text));
  if (files.length === 0 && claimed === undefined && heading === undefined && input.allowBarePages !== true) {
    throw new InvalidPage('the HTML is no index page: no file, no repository version, no heading of one');
  }
  const name = input.expectedName ?? parseProjectName(heading?.slice('Links for'.length).trim() ?? '')?.name;
  if (name === undefined) throw new InvalidPage('the page names no valid project');
  const htmlVersion = htmlVersionOf(apiVersionOf(claimed));
  const serial = serialOf(input.serialHeader) ?? serialOf(document.serial);
  return {
    apiVersion: JSON_VERSION,
    htmlVersion,
    name,
    serial,
    status: statusOf(document),
    versions: undefined,
    files,
    source: { meta: serial === undefined ? {} : { '_last-serial': serial }, name, files: [] },
    remarks: checks.remarks,
  };
}

/** Reads a project list in HTML (PEP 503). Throws InvalidPage. */
export function parseListHtml(input: PageInput, limits: PageLimits): ProjectList {
  const document = readHtml(decodeHtml(input.body, input.contentType), limits.maxProjects);
  const folder = new URL('.', baseOf(document, input.url));
  const claimed = document.meta.get('pypi:repository-version')?.trim();
  const checks = new FileChecks(folder.href);
  const names: string[] = [];
  for (const { href, text } of document.anchors) {
    const linked = projectOfLink(href, folder);
    const named = parseProjectName(text)?.name;
    // The text may be a display name; the link decides, for the link is what installers follow.
    if (linked !== undefined) names.push(named === linked ? text : linked);
    else checks.note(text === '' ? href : text, 'invalid-project-name');
  }
  const titled = document.headings.some((text) => /^simple\b/i.test(text));
  if (names.length === 0 && claimed === undefined && !titled && input.allowBarePages !== true) {
    throw new InvalidPage('the HTML is no list of projects');
  }
  const serial = serialOf(input.serialHeader) ?? serialOf(document.serial);
  return {
    apiVersion: JSON_VERSION,
    htmlVersion: htmlVersionOf(apiVersionOf(claimed)),
    serial,
    names,
    source: {
      meta: serial === undefined ? {} : { '_last-serial': serial },
      projects: names.map((name) => ({ name })),
    },
    remarks: checks.remarks,
  };
}

/** What links resolve against; a base that is no web address is ignored, as browsers do. */
function baseOf(document: HtmlDocument, url: string): string {
  const base = document.base === undefined ? null : URL.parse(document.base, url);
  return base?.protocol === 'https:' || base?.protocol === 'http:' ? base.href : url;
}

function statusOf(document: HtmlDocument): ProjectStatus | undefined {
  const status = document.meta.get('pypi:project-status');
  return status === undefined ? undefined : { status, reason: document.meta.get('pypi:project-status-reason') };
}

/** The project of a link one step below the list, which lies in `folder`: a login page's links lead elsewhere. */
function projectOfLink(href: string, folder: URL): string | undefined {
  if (PLAIN_PROJECT_LINK.test(href)) return parseProjectName(href.endsWith('/') ? href.slice(0, -1) : href)?.name;
  const url = URL.parse(href, folder.href);
  if (url === null || url.origin !== folder.origin || !url.pathname.startsWith(folder.pathname)) return undefined;
  const rest = url.pathname.slice(folder.pathname.length);
  return parseProjectName(rest.endsWith('/') ? rest.slice(0, -1) : rest)?.name;
}

function readAnchor({ href, attributes, text }: Anchor, checks: FileChecks): FileRecord | undefined {
  const hash = href.indexOf('#');
  const link = hash < 0 ? href : href.slice(0, hash);
  const shown = withoutUserInfo(link);
  const hashes = hash < 0 ? NO_HASHES : hashesIn(href.slice(hash + 1));
  const fromLink = filenameOfUrl(shown);
  // Installers read the file name off the link; a link that ends otherwise (a download address) is named by its text.
  const filename = namesDistribution(fromLink) || text === '' ? fromLink : text;
  if (hashes === NO_HASHES && !namesDistribution(filename)) {
    checks.note(shown.replace(/\?.*$/s, ''), 'names-no-distribution');
    return undefined;
  }
  if (!checks.acceptsFilename(filename)) return undefined;
  const location = checks.location(link, filename);
  return location === undefined ? undefined : fileRecord({ filename, hashes, ...location }, attributes, checks);
}

/** The hashes of a fragment, `sha256=…`, or `egg=…&md5=…` on old pages. */
function hashesIn(fragment: string): Hashes {
  let hashes = NO_HASHES;
  for (const part of fragment.split('&', 8)) {
    const [algorithm, digest] = split(part);
    if (digest !== '' && KNOWN_HASHES.has(algorithm)) hashes = { ...hashes, [algorithm]: digest };
  }
  return hashes;
}

function fileRecord(
  named: Pick<FileRecord, 'filename' | 'url' | 'userInfo' | 'hashes'>,
  attributes: readonly string[],
  checks: FileChecks,
): FileRecord {
  const { filename, url, hashes } = named;
  const requiresPython = attribute(attributes, 'data-requires-python');
  const reason = attribute(attributes, 'data-yanked');
  const coreMetadata = coreMetadataOf(
    attribute(attributes, 'data-core-metadata') ?? attribute(attributes, 'data-dist-info-metadata'),
  );
  const gpgSig = gpgSigOf(attribute(attributes, 'data-gpg-sig'));
  const claimed = attribute(attributes, 'data-provenance');
  const provenance = claimed === undefined ? undefined : withoutUserInfo(claimed);
  const yanked = reason === undefined ? false : reason === '' ? true : reason;
  const sizeBytes = sizeOf(attributes, filename, checks);
  const uploadTime = uploadTimeIn(attributes, filename, checks);
  const source: Record<string, unknown> = { filename, url, hashes };
  if (requiresPython !== undefined) source['requires-python'] = requiresPython;
  if (coreMetadata !== undefined) source['core-metadata'] = coreMetadata;
  if (yanked !== false) source.yanked = yanked;
  if (gpgSig !== undefined) source['gpg-sig'] = gpgSig;
  if (provenance !== undefined) source.provenance = provenance;
  if (sizeBytes !== undefined) source.size = sizeBytes;
  if (uploadTime !== undefined) source['upload-time'] = uploadTime;
  return {
    ...named,
    sizeBytes,
    uploadTime,
    requiresPython,
    coreMetadata,
    yanked,
    gpgSig,
    provenance,
    source,
    attributes: unknownAttributes(attributes),
  };
}

/** No specification has `data-size` and `data-upload-time`; servers write what PEP 700 has in JSON, and uv reads it. */
function sizeOf(attributes: readonly string[], filename: string, checks: FileChecks): number | undefined {
  const text = attribute(attributes, 'data-size')?.trim();
  if (text === undefined) return undefined;
  const size = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(size)) return size;
  checks.note(filename, 'invalid-size');
  return undefined;
}

function uploadTimeIn(attributes: readonly string[], filename: string, checks: FileChecks): string | undefined {
  const text = attribute(attributes, 'data-upload-time');
  if (text === undefined) return undefined;
  const time = uploadTimeOf(text);
  if (time === undefined) checks.note(filename, 'invalid-value');
  return time;
}

function attribute(attributes: readonly string[], name: string): string | undefined {
  for (let i = 0; i < attributes.length; i += 2) if (attributes[i] === name) return attributes[i + 1];
  return undefined;
}

function unknownAttributes(attributes: readonly string[]): readonly string[] {
  let unknown: string[] | undefined;
  for (let i = 0; i < attributes.length; i += 2) {
    if (KNOWN_ATTRIBUTES.has(attributes[i]!)) continue;
    unknown ??= [];
    unknown.push(attributes[i]!, attributes[i + 1]!);
  }
  return unknown ?? NO_ATTRIBUTES;
}

/** "true", or `algorithm=hex` (PEP 658); anything else claims nothing. */
function coreMetadataOf(value: string | undefined): true | Hashes | undefined {
  if (value === undefined) return undefined;
  if (value.toLowerCase() === 'true') return true;
  const [algorithm, digest] = split(value);
  return digest !== '' && KNOWN_HASHES.has(algorithm) ? { [algorithm]: digest } : undefined;
}

function gpgSigOf(value: string | undefined): boolean | undefined {
  return value === 'true' ? true : value === 'false' ? false : undefined;
}

function split(pair: string): [string, string] {
  const equals = pair.indexOf('=');
  return equals < 0 ? ['', ''] : [pair.slice(0, equals), pair.slice(equals + 1)];
}
