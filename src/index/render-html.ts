// Pages in HTML (PEP 503 and its successors), one link a line, double quotes, one space between attributes: many
// consumers read them with regular expressions. All text is escaped here; none of upstream's markup gets this far.

import type { FileRecord, Hashes, ProjectDetail, ProjectList } from './page.ts';
import { parseProjectName } from './project-name.ts';
import type { RenderOptions } from './render-options.ts';

/** Which of several hashes a link carries; uv refuses a page over sha1 and sha224, so they come last. */
const PREFERRED_HASHES = ['sha256', 'sha512', 'sha384', 'md5'];
const HASH_TEXT = /^[A-Za-z0-9_-]+$/;

export function detailHtml(page: ProjectDetail, options: RenderOptions): string {
  const { status } = page;
  const title = `Links for ${escapeHtml(page.name)}`;
  let html = head(title, page.htmlVersion, [
    ...(status === undefined ? [] : [metaElement('pypi:project-status', status.status)]),
    ...(status?.reason === undefined ? [] : [metaElement('pypi:project-status-reason', status.reason)]),
  ]);
  for (const file of page.files) html += fileLine(file, options);
  return html + foot(page.serial);
}

export function listHtml(list: ProjectList): string {
  let html = head('Simple index', list.htmlVersion, []);
  for (const name of list.names) {
    const normal = parseProjectName(name)?.name;
    if (normal !== undefined) html += `<a href="${normal}/">${escapeHtml(name)}</a><br />\n`;
  }
  return html + foot(list.serial);
}

/** Text made safe in content and in double-quoted attributes; control characters too, so that a link stays one line. */
export function escapeHtml(text: string): string {
  return NEEDS_ESCAPE.test(text) ? text.replace(EVERY_ESCAPE, escapeCharacter) : text;
}

const NEEDS_ESCAPE = /[&<>"'\u0000-\u001f\u007f-\u009f]/;
const EVERY_ESCAPE = new RegExp(NEEDS_ESCAPE, 'g');
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
  ["'", '&#x27;'],
  // HTML cannot carry NUL in any form.
  ['\0', '\ufffd'],
]);

function escapeCharacter(character: string): string {
  return ESCAPES.get(character) ?? `&#x${character.charCodeAt(0).toString(16)};`;
}

function head(title: string, version: string, extra: readonly string[]): string {
  const metas = [metaElement('pypi:repository-version', version), ...extra].join('');
  return `<!DOCTYPE html>\n<html>\n  <head>\n${metas}    <title>${title}</title>\n  </head>\n  <body>\n    <h1>${title}</h1>\n`;
}

function metaElement(name: string, content: string): string {
  return `    <meta name="${name}" content="${escapeHtml(content)}">\n`;
}

/** The serial comment is the last line: mirrors look for it there. */
function foot(serial: number | undefined): string {
  return `  </body>\n</html>\n${serial === undefined ? '' : `<!--SERIAL ${serial}-->\n`}`;
}

function fileLine(file: FileRecord, { fileLink, offersCoreMetadata }: RenderOptions): string {
  const hash = preferredHash(file.hashes);
  let line = `<a href="${escapeHtml(fileLink(file.url))}${hash === undefined ? '' : `#${hash}`}"`;
  if (file.requiresPython !== undefined) line += attribute('data-requires-python', file.requiresPython);
  if (file.yanked === true) line += ' data-yanked=""';
  else if (file.yanked !== false && file.yanked !== '') line += attribute('data-yanked', file.yanked);
  if (claimsCoreMetadata(file) && (offersCoreMetadata === undefined || offersCoreMetadata(file))) {
    const value = (file.coreMetadata !== true && preferredHash(file.coreMetadata, false)) || 'true';
    line += ` data-core-metadata="${value}" data-dist-info-metadata="${value}"`;
  }
  if (file.gpgSig !== undefined) line += ` data-gpg-sig="${file.gpgSig}"`;
  if (file.provenance !== undefined) line += attribute('data-provenance', file.provenance);
  for (let i = 0; i < file.attributes.length; i += 2) line += attribute(file.attributes[i]!, file.attributes[i + 1]!);
  return `${line}>${escapeHtml(file.filename)}</a><br />\n`;
}

function attribute(name: string, value: string): string {
  return ` ${name}="${escapeHtml(value)}"`;
}

function claimsCoreMetadata(file: FileRecord): file is FileRecord & { readonly coreMetadata: true | Hashes } {
  return file.coreMetadata !== undefined && file.coreMetadata !== false;
}

/** `algorithm=digest` for the best hash; with `anyElse`, one of an unknown algorithm where there is no better. */
function preferredHash(hashes: Hashes, anyElse = true): string | undefined {
  for (const algorithm of PREFERRED_HASHES) {
    const digest = hashes[algorithm];
    if (digest !== undefined && HASH_TEXT.test(digest)) return `${algorithm}=${digest}`;
  }
  if (!anyElse) return undefined;
  for (const algorithm of Object.keys(hashes)) {
    if (HASH_TEXT.test(algorithm) && HASH_TEXT.test(hashes[algorithm]!)) return `${algorithm}=${hashes[algorithm]}`;
  }
  return undefined;
}
