// The URL table: from a request target to what it asks for. The path is taken apart here and nowhere else, decoded
// once, and only what the grammar knows gets through.

import { BadRequest, NotFound } from '../core/errors.ts';
import { type ProjectName, parseProjectName } from '../pages/project-name.ts';

/** What a path means. */
export type Route =
  | { readonly kind: 'list'; readonly index: string | undefined; readonly format: string | undefined }
  | {
      readonly kind: 'detail';
      readonly index: string | undefined;
      readonly project: ProjectName;
      readonly format: string | undefined;
    }
  /** `location` is relative to the request and keeps its query. */
  | { readonly kind: 'redirect'; readonly location: string; readonly of: 'list' | 'page' }
  | {
      readonly kind: 'file';
      readonly index: string | undefined;
      readonly scheme: string;
      readonly authority: string;
      readonly rawPath: string;
    }
  | {
      readonly kind: 'legacy-json';
      readonly index: string | undefined;
      readonly project: ProjectName;
      readonly version: string | undefined;
    }
  | {
      readonly kind: 'provenance';
      readonly index: string | undefined;
      readonly project: ProjectName;
      readonly version: string;
      readonly filename: string;
    }
  /** What the policy says of a project. */
  | { readonly kind: 'policy'; readonly project: ProjectName }
  | { readonly kind: 'upload'; readonly index: string | undefined }
  | { readonly kind: 'raw'; readonly mount: string; readonly rest: string }
  | { readonly kind: 'admin'; readonly operation: string; readonly query: URLSearchParams }
  | { readonly kind: FixedKind };

/** What is at one path only. */
type FixedKind =
  | 'xml-rpc'
  | 'live'
  | 'ready'
  | 'metrics'
  | 'status'
  | 'status-style'
  | 'status-script'
  | 'last-modified'
  | 'local-stats';

/** What moves to the administration's own address, when it has one. */
export function isAdministrative({ kind }: Route): boolean {
  return ADMINISTRATIVE.has(kind);
}

const ADMINISTRATIVE: ReadonlySet<Route['kind']> = new Set([
  'admin',
  'live',
  'metrics',
  'ready',
  'status',
  'status-script',
  'status-style',
]);

/** Longer targets name nothing that exists. */
const MAX_TARGET = 2048;
/** First segments that are ours: an index cannot bear these names. */
export const RESERVED_NAMES: ReadonlySet<string> = new Set([
  'simple',
  'files',
  'raw',
  'pypi',
  'integrity',
  'legacy',
  'metrics',
  'last-modified',
  'local-stats',
]);

/**
 * What the target asks for. `indexes` are the names that may stand before `/simple/` and `/files/`. Throws BadRequest
 * for a target that breaks the grammar, NotFound for one that no route takes.
 */
export function routeOf(target: string, indexes: ReadonlySet<string>): Route {
  const path = originForm(target);
  const question = path.indexOf('?');
  const rawPath = question < 0 ? path : path.slice(0, question);
  const query = question < 0 ? '' : path.slice(question);
  if (rawPath.startsWith('/raw/')) return rawRoute(rawPath, query);
  if (target.length > MAX_TARGET) throw new BadRequest('The request target is too long.');
  if (/[\\\u0000-\u0020\u007f-\uffff]/.test(rawPath))
    throw new BadRequest('The path holds characters that no URL has.');
  const segments = rawPath.split('/');
  segments.shift();
  const first = segments[0]!;
  const fixed = FIXED.get(rawPath);
  if (fixed !== undefined) return { kind: fixed };
  if (rawPath.startsWith(ADMINISTRATION)) {
    return { kind: 'admin', operation: rawPath.slice(ADMINISTRATION.length), query: new URLSearchParams(query) };
  }
  if (rawPath.startsWith(POLICY)) return policyRoute(rawPath.slice(POLICY.length));
  const index = indexes.has(first) ? first : undefined;
  const [what, ...rest] = index === undefined ? segments : segments.slice(1);
  switch (what) {
    case 'simple':
      return simpleRoute(index, rest, query);
    case 'files':
      return fileRoute(index, rawPath, rest);
    case 'pypi':
      return legacyJsonRoute(index, rest);
    case 'integrity':
      return provenanceRoute(index, rest);
    case 'legacy':
      if (rest.length > 1 || (rest[0] ?? '') !== '') break;
      return { kind: 'upload', index };
  }
  throw new NotFound('Nothing is served at this path; the index is at /simple/.', 'no-such-route');
}

const SLASH = 0x2f;
const ADMINISTRATION = '/-/api/';

/** The paths that are one thing each, whatever is configured. */
export const FIXED: ReadonlyMap<string, FixedKind> = new Map([
  ['/', 'status'],
  ['/-/status.css', 'status-style'],
  ['/-/status.js', 'status-script'],
  ['/metrics', 'metrics'],
  ['/-/live', 'live'],
  ['/-/ready', 'ready'],
  ['/pypi', 'xml-rpc'],
  ['/pypi/', 'xml-rpc'],
  ['/RPC2', 'xml-rpc'],
  ['/last-modified', 'last-modified'],
  ['/local-stats/', 'local-stats'],
  ['/local-stats', 'local-stats'],
]);

/** The path and query of a target. RFC 9112 3.2.2: the absolute form is accepted; whose name stands there is nothing to us. */
export function originForm(target: string): string {
  if (target.charCodeAt(0) === SLASH) return target;
  const match = /^https?:\/\/[^/?#]+(.*)$/i.exec(target);
  if (match === null) throw new BadRequest('The request target is neither a path nor an absolute URL.');
  const path = match[1]!;
  return path.startsWith('/') ? path : `/${path}`;
}

/** What needs no client's credential: health, and the administration, which has a token of its own. */
export function isOpenToAll(target: string, indexes: ReadonlySet<string>): boolean {
  try {
    const { kind } = routeOf(target, indexes);
    return kind === 'live' || kind === 'ready' || kind === 'admin';
  } catch (error) {
    // What is wrong with it is told to known clients.
    if (error instanceof BadRequest || error instanceof NotFound) return false;
    throw error;
  }
}

/** What the target asks for below the base path. Throws NotFound for one that is not below it. */
export function targetBelow(basePath: string, target: string): string {
  const path = originForm(target);
  if (path.startsWith(basePath) && path.charCodeAt(basePath.length) === SLASH) return path.slice(basePath.length);
  throw new NotFound(`Everything here is below ${basePath}/.`, 'no-such-route');
}

const POLICY = '/-/policy/';

function policyRoute(rest: string): Route {
  const project = parseProjectName(decodeSegment(rest.endsWith('/') ? rest.slice(0, -1) : rest))?.name;
  if (project === undefined) throw new NotFound('This is no valid project name.', 'invalid-project-name');
  return { kind: 'policy', project };
}

function simpleRoute(index: string | undefined, rest: readonly string[], query: string): Route {
  const format = formatOf(query);
  if (rest.length === 0) return { kind: 'redirect', location: `simple/${query}`, of: 'list' };
  if (rest.length === 1 && rest[0] === '') return { kind: 'list', index, format };
  const slashless = rest.length === 1;
  if (!slashless && !(rest.length === 2 && rest[1] === '')) throw new NotFound('No index page is at this path.');
  const parsed = parseProjectName(decodeSegment(rest[0]!));
  if (parsed === undefined) throw new NotFound('This is no valid project name.', 'invalid-project-name');
  const { name, canonical } = parsed;
  if (slashless) return { kind: 'redirect', location: `${name}/${query}`, of: 'page' };
  // An escaped spelling of a normal name is another URL for the same page: one URL only, so that caches agree.
  if (!canonical || rest[0] !== name) return { kind: 'redirect', location: `../${name}/${query}`, of: 'page' };
  return { kind: 'detail', index, project: name, format };
}

function fileRoute(index: string | undefined, rawPath: string, rest: readonly string[]): Route {
  const [scheme, authority] = rest;
  if (scheme === undefined || authority === undefined || rest.length < 3) {
    throw new NotFound('A file is at /files/<scheme>/<host>/<path>.', 'no-such-route');
  }
  const before = (index === undefined ? 0 : index.length + 1) + '/files/'.length;
  const path = rawPath.slice(before + scheme.length + 1 + authority.length);
  return { kind: 'file', index, scheme, authority, rawPath: path };
}

function legacyJsonRoute(index: string | undefined, segments: readonly string[]): Route {
  // Both spellings have one answer, as at the public index.
  const rest = segments.at(-1) === '' ? segments.slice(0, -1) : segments;
  if (rest.length < 2 || rest.length > 3 || rest.at(-1) !== 'json') {
    throw new NotFound('The legacy JSON is at /pypi/<name>/json and /pypi/<name>/<version>/json.', 'no-such-route');
  }
  const version = rest.length === 3 ? versionOf(rest[1]!) : undefined;
  return { kind: 'legacy-json', index, project: projectOf(rest[0]!), version };
}

function provenanceRoute(index: string | undefined, rest: readonly string[]): Route {
  if (rest.length !== 4 || rest[3] !== 'provenance') {
    throw new NotFound('Provenance is at /integrity/<project>/<version>/<file>/provenance.', 'no-such-route');
  }
  const filename = decodeSegment(rest[2]!);
  return { kind: 'provenance', index, project: projectOf(rest[0]!), version: versionOf(rest[1]!), filename };
}

function projectOf(segment: string): ProjectName {
  const parsed = parseProjectName(decodeSegment(segment));
  if (parsed === undefined) throw new NotFound('This is no valid project name.', 'invalid-project-name');
  return parsed.name;
}

/** What a version may be made of, today's and legacy ones: it becomes part of a URL and of a key. */
function versionOf(segment: string): string {
  const version = decodeSegment(segment);
  if (!/^[A-Za-z0-9][A-Za-z0-9!+._-]{0,99}$/.test(version)) throw new NotFound('This is no version.');
  return version;
}

/** Nothing is rewritten below a raw mount: path and query go on as they came. */
function rawRoute(rawPath: string, query: string): Route {
  const rest = rawPath.slice('/raw/'.length);
  const slash = rest.indexOf('/');
  if (slash < 0) throw new NotFound('A raw mount is at /raw/<name>/.', 'no-such-route');
  return { kind: 'raw', mount: rest.slice(0, slash), rest: rest.slice(slash + 1) + query };
}

/** The `format` key of the query; no other key is looked at. */
function formatOf(query: string): string | undefined {
  return query === '' ? undefined : (new URLSearchParams(query).get('format') ?? undefined);
}

function decodeSegment(segment: string): string {
  if (!segment.includes('%')) return segment;
  try {
    return decodeURIComponent(segment);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    throw new BadRequest('The path holds a malformed escape.');
  }
}
