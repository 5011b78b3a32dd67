// Pages in HTML (PEP 503 and its successors), one link a line, double quotes, one space between attributes: many
// consumers read them with regular expressions. All text is escaped here; none of upstream's markup gets this far.

import type { FileRecord, Hashes, ProjectDetail, ProjectList, RenderOptions } from './page.ts';
import { HASH_ALGORITHMS } from './page-fields.ts';
import { parseProjectName } from './project-name.ts';

/** Which of several hashes a link carries; uv refuses a whole page over any other. */
const LINK_HASHES: readonly string[] = HASH_ALGORITHMS.slice(0, 4);
const HASH_TEXT = /^[A-Za-z0-9_-]+$/;

/** The page as HTML (PEP 503), with every attribute that its JSON has a field for. */
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

/** The list as HTML (PEP 503). */
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

function fileLine(file: FileRecord, options: RenderOptions): string {
  const { fileLink, provenanceLink, offersCoreMetadata, extractsCoreMetadata } = options;
  const hash = linkHash(file.hashes);
  let line = `<a href="${escapeHtml(fileLink(file.url))}${hash === undefined ? '' : `#${hash}`}"`;
  if (file.requiresPython !== undefined) line += attribute('data-requires-python', file.requiresPython);
  if (file.yanked === true) line += ' data-yanked=""';
  else if (file.yanked !== false && file.yanked !== '') line += attribute('data-yanked', file.yanked);
  if (claimsCoreMetadata(file) && (offersCoreMetadata === undefined || offersCoreMetadata(file))) {
    const value = (file.coreMetadata !== true && bestOf(LINK_HASHES, file.coreMetadata)) || 'true';
    line += ` data-core-metadata="${value}" data-dist-info-metadata="${value}"`;
  } else if (extractsCoreMetadata?.(file)) line += ' data-core-metadata="true" data-dist-info-metadata="true"';
  if (file.gpgSig !== undefined) line += ` data-gpg-sig="${file.gpgSig}"`;
  if (file.provenance !== undefined)
    line += attribute('data-provenance', provenanceLink?.(file.provenance) ?? file.provenance);
  // What PEP 700 has in JSON alone, under the names that some indexes write and uv reads.
  if (file.sizeBytes !== undefined) line += ` data-size="${file.sizeBytes}"`;
  if (file.uploadTime !== undefined) line += attribute('data-upload-time', file.uploadTime);
  for (let i = 0; i < file.attributes.length; i += 2) line += attribute(file.attributes[i]!, file.attributes[i + 1]!);
  return `${line}>${escapeHtml(file.filename)}</a><br />\n`;
}

function attribute(name: string, value: string): string {
  return ` ${name}="${escapeHtml(value)}"`;
}

function claimsCoreMetadata(file: FileRecord): file is FileRecord & { readonly coreMetadata: true | Hashes } {
  return file.coreMetadata !== undefined && file.coreMetadata !== false;
}

/** `algorithm=digest` of the best hash that installers accept in a fragment, else of any that they know. */
function linkHash(hashes: Hashes): string | undefined {
  return bestOf(LINK_HASHES, hashes) ?? bestOf(HASH_ALGORITHMS, hashes);
}

function bestOf(algorithms: readonly string[], hashes: Hashes): string | undefined {
  for (const algorithm of algorithms) {
    const digest = hashes[algorithm];
    if (digest !== undefined && HASH_TEXT.test(digest)) return `${algorithm}=${digest}`;
  }
  return undefined;
}
