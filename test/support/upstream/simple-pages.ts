// The pages of a fake index: what a well-behaved server of the simple repository API says of its files, written
// independently of the product, so that a mistake there is not made here too.

import type { Distribution } from './wheels.ts';

/** A file as its project's page lists it. */
export interface ListedFile {
  readonly distribution: Distribution;
  /** Absolute, or relative to the page. */
  readonly url: string;
  readonly hashes: Readonly<Record<string, string>>;
  /** What the page claims; the size of the bytes unless a test wants it to lie or to say nothing. */
  readonly size: number | undefined;
  readonly uploadTime: string;
  readonly yanked: boolean | string;
  /** What the page says of core metadata; false: nothing. */
  readonly coreMetadata: boolean | Readonly<Record<string, string>>;
  /** Further keys of the JSON record, to be kept by everybody in between. */
  readonly extra: Readonly<Record<string, unknown>>;
}

/** What a page says of a project: an index may have serials and not show them. */
export type ShownProject = Omit<ListedProject, 'serial'> & { readonly serial: number | undefined };

export interface ListedProject {
  /** Normalized. */
  readonly name: string;
  readonly files: readonly ListedFile[];
  readonly serial: number;
  /** PEP 792; "active" is left out, as indexes do. */
  readonly status: 'active' | 'archived' | 'quarantined' | 'deprecated';
  readonly lastModified: Date;
}

export type PageFormat = 'json' | 'html' | 'legacy-html';

export const CONTENT_TYPES: Readonly<Record<PageFormat, string>> = {
  json: 'application/vnd.pypi.simple.v1+json',
  html: 'application/vnd.pypi.simple.v1+html',
  'legacy-html': 'text/html; charset=utf-8',
};

export function projectJson({ name, files, serial, status }: ShownProject): string {
  return JSON.stringify({
    meta: { 'api-version': '1.4', '_last-serial': serial },
    name,
    ...(status === 'active' ? {} : { 'project-status': { status } }),
    versions: [...new Set(files.map(({ distribution }) => distribution.version))],
    files: files.map((file) => ({
      filename: file.distribution.filename,
      url: file.url,
      hashes: file.hashes,
      'requires-python': file.distribution.requiresPython ?? null,
      size: file.size,
      'upload-time': file.uploadTime,
      yanked: file.yanked,
      'core-metadata': file.coreMetadata,
      'data-dist-info-metadata': file.coreMetadata,
      provenance: null,
      ...file.extra,
    })),
  });
}

export function projectHtml({ name, files, serial, status }: ShownProject): string {
  const anchors = files.map((file) => {
    const { filename, requiresPython } = file.distribution;
    const [hash] = Object.entries(file.hashes);
    const attributes = [`href="${escaped(file.url)}${hash === undefined ? '' : `#${hash.join('=')}`}"`];
    if (requiresPython !== undefined) attributes.push(`data-requires-python="${escaped(requiresPython)}"`);
    if (file.yanked !== false) attributes.push(`data-yanked="${file.yanked === true ? '' : escaped(file.yanked)}"`);
    if (file.coreMetadata !== false) {
      const [digest] = Object.entries(file.coreMetadata);
      const claim = digest === undefined ? 'true' : digest.join('=');
      attributes.push(`data-dist-info-metadata="${claim}"`, `data-core-metadata="${claim}"`);
    }
    return `<a ${attributes.join(' ')}>${filename}</a><br />\n`;
  });
  const meta = status === 'active' ? '' : `<meta name="pypi:project-status" content="${status}">\n`;
  return document(`Links for ${name}`, meta, `<h1>Links for ${name}</h1>\n${anchors.join('')}`, serial);
}

export function listJson(projects: readonly ListedProject[], serial: number): string {
  const entries = projects.map((project) => ({ name: project.name, '_last-serial': project.serial }));
  return JSON.stringify({ meta: { 'api-version': '1.4', '_last-serial': serial }, projects: entries });
}

export function listHtml(projects: readonly ListedProject[], serial: number): string {
  const anchors = projects.map(({ name }) => `<a href="/simple/${name}/">${name}</a><br />\n`);
  return document('Simple index', '', anchors.join(''), serial);
}

function document(title: string, meta: string, body: string, serial: number | undefined): string {
  return `<!DOCTYPE html>
<html>
<head>
<meta name="pypi:repository-version" content="1.4">
${meta}<title>${title}</title>
</head>
<body>
${body}</body>
</html>${
    serial === undefined
      ? ''
      : `
<!--SERIAL ${serial}-->`
  }`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
