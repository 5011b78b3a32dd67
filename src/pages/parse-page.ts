// From the bytes of an upstream's answer to an index page: picks the reader by content type. Whatever is no page is
// refused here, before it can be stored: login pages, error documents, cut bodies, other formats under our names.

import { DEFAULT_PAGE_LIMITS, type PageInput, type PageLimits } from '../index/page-input.ts';
import { InvalidPage } from './invalid-page.ts';
import type { ProjectDetail, ProjectList } from './page.ts';
import { parseDetailHtml, parseListHtml } from './parse-html.ts';
import { parseDetailJson, parseListJson } from './parse-json.ts';

/** Reads a project's page. Throws InvalidPage. */
export function parsePage(input: PageInput, limits: PageLimits = DEFAULT_PAGE_LIMITS): ProjectDetail {
  return formatOf(input) === 'json' ? parseDetailJson(input, limits) : parseDetailHtml(input, limits);
}

/** Reads the list of projects. Throws InvalidPage. */
export function parseProjectList(input: PageInput, limits: PageLimits = DEFAULT_PAGE_LIMITS): ProjectList {
  return formatOf(input) === 'json' ? parseListJson(input, limits) : parseListHtml(input, limits);
}

/** Types that hold a page; application/json is what many servers call it. Version 2 would be another type. */
const FORMAT_OF_TYPE: ReadonlyMap<string, 'json' | 'html'> = new Map([
  ['application/vnd.pypi.simple.v1+json', 'json'],
  ['application/vnd.pypi.simple.latest+json', 'json'],
  ['application/json', 'json'],
  ['application/vnd.pypi.simple.v1+html', 'html'],
  ['application/vnd.pypi.simple.latest+html', 'html'],
  ['text/html', 'html'],
  ['application/xhtml+xml', 'html'],
]);

function formatOf({ body, contentType }: PageInput): 'json' | 'html' {
  if (contentType === undefined || contentType.trim() === '') return sniff(body);
  const type = contentType.split(';', 1)[0]!.trim().toLowerCase();
  const format = FORMAT_OF_TYPE.get(type);
  if (format === undefined)
    throw new InvalidPage(`the content type ${JSON.stringify(type.slice(0, 100))} is no index page's`);
  return format;
}

/** Without a content type the first character that is no white space decides. */
function sniff(body: Buffer): 'json' | 'html' {
  const start = body
    .subarray(0, 1024)
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .trimStart();
  if (start.startsWith('{')) return 'json';
  if (start.startsWith('<')) return 'html';
  throw new InvalidPage('the body has no content type and is neither JSON nor HTML');
}
