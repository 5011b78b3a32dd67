// The rule by which upstream's file URLs become ours and back: https://<host>/<path> is linked from a page as
// ../../files/https/<host>/<path>, the path verbatim. Lock files record these links, so the rule must never change.

/** What a link is relative to: `/simple/<name>/` and `/pypi/<name>/json` are both two steps below the root. */
const ROOT_OF_PAGE = '../../';

/** Escapes that no path may hold: control characters, `\` and DEL. Proxies and installers would read them as such. */
const FORBIDDEN_ESCAPE = /%(?:[01][0-9a-f]|5c|7f)/i;
/** Our own grammar takes targets of 2,048 characters, and an index's name and `.metadata` may stand around the path. */
const LONGEST_URL = 1_850;
/** Characters a request path may hold verbatim: visible ASCII without those that end or confuse a path. */
const PATH_TEXT = /^\/[!$-;=@-Z[\]^-~]*$/;
const AUTHORITY_TEXT = /^(?:[a-z0-9_][a-z0-9._-]*|\[[0-9a-f:.]+\])(?::[0-9]+)?$/;
/** Paths made of these have one spelling only. */
const PLAIN_PATH = /^[A-Za-z0-9._~/-]*$/;

/** Where a link of a page leads. */
export interface FileLocation {
  /** Absolute, without user information and fragment, its query kept. */
  readonly url: string;
  /** `user:password` as it stood in the link, escapes and all: for that URL's origin alone, and shown to nobody. */
  readonly userInfo?: string | undefined;
}

/** Why no client can be given the link; part of a sentence. */
export interface Unservable {
  readonly unservable: string;
}

/** The absolute form of a link in a page, or why it cannot be served. */
export function locateFile(link: string, base: string): FileLocation | Unservable {
  const url = URL.parse(link, base);
  if (url === null) return { unservable: 'its link is no URL' };
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    return { unservable: 'its link is neither http nor https' };
  }
  if (!AUTHORITY_TEXT.test(url.host)) return { unservable: 'the host of its link has a name that no path can hold' };
  const { username, password } = url;
  if (username !== '' || password !== '') {
    url.username = '';
    url.password = '';
  }
  const { href } = url;
  const fragment = href.indexOf('#');
  const whole = fragment < 0 ? href : href.slice(0, fragment);
  const unservable = faultOf(pathOf(whole));
  if (unservable !== undefined) return { unservable };
  return username === '' && password === '' ? { url: whole } : { url: whole, userInfo: `${username}:${password}` };
}

/** The URL to ask for a file: with its user information, which the upstream client turns into credentials. */
export function addressOf({ url, userInfo }: FileLocation): string {
  return userInfo === undefined ? url : url.replace('://', () => `://${userInfo}@`);
}

/**
 * The link to give to clients for an absolute file URL: path verbatim, no query (pip appends `.metadata` to the whole
 * URL, and signed queries are nobody's business), no fragment. `root` leads from the page to our root: relative, or
 * the public base URL with its final slash.
 */
export function fileLink(url: string, root: string = ROOT_OF_PAGE): string {
  const colon = url.indexOf(':');
  return `${root}files/${url.slice(0, colon)}/${withoutQuery(url).slice(colon + 3)}`;
}

/**
 * The file URL that a request for `/files/<scheme>/<authority><rawPath>` names, in the client's spelling; undefined
 * when it breaks the grammar, and then the answer is 400. It must still be found on a page before anything is fetched.
 * The authority may come escaped: pip sends `127.0.0.1%3A8000`.
 */
export function fileUrlOf(scheme: string, authority: string, rawPath: string): string | undefined {
  if (scheme !== 'https' && scheme !== 'http') return undefined;
  const host = authority.replace(/%(?:3a|5b|5d)/gi, decodeURIComponent).toLowerCase();
  if (!AUTHORITY_TEXT.test(host) || !PATH_TEXT.test(rawPath)) return undefined;
  if (faultOf(rawPath) !== undefined) return undefined;
  // Only the normal form of an authority is ever linked: no default port, no decimal or shortened IP address.
  if (URL.parse(`${scheme}://${host}/`)?.host !== host) return undefined;
  return `${scheme}://${host}${rawPath}`;
}

/**
 * The same text for every spelling of one file URL: `+` and `%2B`, `!` and `%21`, `~` and `%7E` are equal, `+` is
 * never a space, and the query does not count. For comparing only: upstream is always asked in its own spelling.
 */
export function fileKey(url: string): string {
  const whole = withoutQuery(url);
  const start = pathStart(whole);
  const path = whole.slice(start);
  return PLAIN_PATH.test(path) ? whole : whole.slice(0, start) + path.replace(ESCAPE_OR_ESCAPED, onlySpelling);
}

/**
 * The same text for the spellings of one key that clients and front servers make of it on their way: Python's urljoin
 * and nginx join slashes that follow one another, and nginx writes `%2F` as a slash.
 */
export function flattenedKey(key: string): string {
  const start = pathStart(key);
  return key.slice(0, start) + key.slice(start).replace(/(?:\/|%2F)+/gi, '/');
}

/** Whether `flattenedKey` changes the key. */
export function isFlattened(key: string): boolean {
  return !/%2f/i.test(key) && key.indexOf('//', pathStart(key)) < 0;
}

/** The last segment of a URL's path, unescaped: the file's name as installers read it, for whom `%2F` ends a segment. */
export function filenameOfUrl(url: string): string {
  const path = withoutQuery(url);
  const segment = path.slice(path.lastIndexOf('/') + 1);
  return unescaped(segment.slice(segment.toLowerCase().lastIndexOf('%2f') + 1).replace(/^2f/i, ''));
}

/** Why a path cannot stand in a link of ours; undefined for one that can. */
function faultOf(path: string): string | undefined {
  if (path.length > LONGEST_URL) return `the path of its link is longer than ${LONGEST_URL} characters`;
  if (FORBIDDEN_ESCAPE.test(path)) return 'its link has an escaped control character or backslash';
  // Dot segments, in any spelling (RFC 3986 5.2.4; WHATWG URL reads %2e as a dot), also for those who unescape %2F.
  if (/(?:\/|%2f)(?:\.|%2e){1,2}(?:\/|%2f|$)/i.test(path)) return 'its link has an escaped dot segment';
  return undefined;
}

/** An escape, or a character that has one: octet by octet, so malformed escapes and bytes that are no UTF-8 fit, too. */
const ESCAPE_OR_ESCAPED = /%[0-9a-f]{2}|[^A-Za-z0-9._~/-]/gi;

function onlySpelling(piece: string): string {
  const octet = piece.length === 3 ? Number.parseInt(piece.slice(1), 16) : piece.charCodeAt(0);
  const character = String.fromCharCode(octet);
  // Every escape is written out but for unreserved characters, which need none (RFC 3986 2.3).
  return /[A-Za-z0-9._~-]/.test(character) ? character : `%${octet.toString(16).toUpperCase().padStart(2, '0')}`;
}

/** Escapes resolved; where they are malformed or no UTF-8, the text as it stands. */
function unescaped(text: string): string {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return text;
  }
}

function withoutQuery(url: string): string {
  const end = url.search(/[?#]/);
  return end < 0 ? url : url.slice(0, end);
}

function pathOf(url: string): string {
  return withoutQuery(url).slice(pathStart(url));
}

function pathStart(url: string): number {
  return url.indexOf('/', url.indexOf('://') + 3);
}
