// What the two readers of pages share: the meaning of single values, whatever format they came in.

import { type FileLocation, locateFile } from './file-links.ts';
import { InvalidPage } from './invalid-page.ts';
import type { Problem, Remark } from './page.ts';

/** What can stand in a link's fragment as a hash; in order of preference, and the first four are what uv reads. */
export const HASH_ALGORITHMS = ['sha256', 'sha512', 'sha384', 'md5', 'sha224', 'sha1', 'blake2b', 'blake2s'] as const;

/** HTML is frozen at this minor version (PEP 833). */
const LAST_HTML_MINOR = 4;
/** Most file systems and clients stop here. */
const MAX_FILENAME_BYTES = 255;
/** Enough to recognise what a remark is about. */
const MAX_REMARK_LENGTH = 300;
/** Separators, control characters, and the marks that turn the direction of text (a file posing as another one). */
const UNSAFE_IN_FILENAME = /[/\\\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

/**
 * A version of the API as upstream claims it; none means 1.0. Throws InvalidPage for what is no version and for
 * another major version: clients "MUST fail" there (PEP 629).
 */
export function apiVersionOf(claim: string | undefined): string {
  const version = claim ?? '1.0';
  if (!/^[0-9]{1,6}\.[0-9]{1,6}$/.test(version)) throw new InvalidPage('the version of the API is no version');
  if (!version.startsWith('1.')) throw new InvalidPage(`version ${version} of the API is not understood`);
  return version;
}

/** The version our HTML may claim for a page of `apiVersion`. */
export function htmlVersionOf(apiVersion: string): string {
  return Number(apiVersion.slice(2)) > LAST_HTML_MINOR ? `1.${LAST_HTML_MINOR}` : apiVersion;
}

/** A serial from text; undefined when it is none. */
export function serialOf(text: string | undefined): number | undefined {
  const digits = text?.trim();
  return digits !== undefined && /^[0-9]{1,15}$/.test(digits) ? Number(digits) : undefined;
}

/** RFC 3339 5.6 with a space for `T` and without a zone, as some servers write times. */
const TIME = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))?$/;
/** Times that need no mending: every installer reads `T` and a zone. Some of the days 29 to 31 are none. */
const PLAIN_TIME =
  /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;
/** Where the day stands in such a time; up to this one every month has it. */
const DAY = { start: 8, end: 10, alwaysUpTo: '28' } as const;
const DIGITS_OF_MICROSECONDS = 6;

/**
 * A time of upload as PEP 700 wants it, `yyyy-mm-ddThh:mm:ss.ffffffZ`, its fraction as long as upstream's; a time
 * without zone is read as UTC. Undefined for what is no time of the calendar (RFC 3339 5.6 and 5.7).
 */
export function uploadTimeOf(text: string): string | undefined {
  const match = TIME.exec(text.trim());
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction, sign, zoneHour = '00', zoneMinute = '00'] = match;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return undefined;
  if (Number(zoneHour) > 23 || Number(zoneMinute) > 59) return undefined;
  // A leap second is one that most readers of JSON refuse.
  const seconds = second === '60' ? '59' : second;
  const local = new Date(`${year}-${month}-${day}T${hour}:${minute}:${seconds}Z`);
  // Date takes 30 February for a day of March.
  if (Number.isNaN(local.getTime()) || local.getUTCDate() !== Number(day)) return undefined;
  const offsetMinutes = (sign === '-' ? -1 : 1) * (Number(zoneHour) * 60 + Number(zoneMinute));
  const whole = new Date(local.getTime() - offsetMinutes * 60_000).toISOString().slice(0, 'yyyy-mm-ddThh:mm:ss'.length);
  // Beyond the year 9999 or before 0 the offset has made a time that four digits cannot write.
  if (!/^\d{4}-/.test(whole)) return undefined;
  return `${whole}${fraction === undefined ? '' : `.${fraction.slice(0, DIGITS_OF_MICROSECONDS)}`}Z`;
}

/** Whether a time of upload can be shown as it stands; installers refuse a whole page over some others. */
export function isUploadTime(text: string): boolean {
  if (!PLAIN_TIME.test(text)) return false;
  return text.slice(DAY.start, DAY.end) <= DAY.alwaysUpTo || uploadTimeOf(text) !== undefined;
}

/** Checks names and URLs of one page's files, and keeps account of what was wrong. */
export class FileChecks {
  readonly remarks: Remark[] = [];
  readonly #base: string;
  /** URLs with a query, by what remains of them in a link, which has none. */
  readonly #withQuery = new Map<string, string>();

  /** `base`: what the page's links resolve against. */
  constructor(base: string) {
    this.#base = base;
  }

  /** `reason`: why the file cannot be served, where the problem alone does not say it. */
  note(subject: string, problem: Problem, reason?: string): void {
    const remark = { subject: subject.slice(0, MAX_REMARK_LENGTH), problem };
    this.remarks.push(reason === undefined ? remark : { ...remark, reason });
  }

  /** False, with a remark, for a name that must not be shown to clients. */
  acceptsFilename(filename: string): boolean {
    const safe =
      filename !== '' && !UNSAFE_IN_FILENAME.test(filename) && Buffer.byteLength(filename) <= MAX_FILENAME_BYTES;
    if (!safe) this.note(filename, 'unsafe-filename');
    return safe;
  }

  /** Where the link of the file leads; undefined, with a remark, when the file cannot be served from there. */
  location(link: string, filename: string): FileLocation | undefined {
    const location = locateFile(link, this.#base);
    if ('unservable' in location) {
      this.note(filename, 'unusable-url', location.unservable);
      return undefined;
    }
    const { url } = location;
    const query = url.indexOf('?');
    if (query >= 0) {
      // Links carry no query: of two files that differ in nothing else only the first can be addressed.
      const path = url.slice(0, query);
      const first = this.#withQuery.get(path);
      if (first !== undefined && first !== url) {
        this.note(filename, 'ambiguous-url', "another file's link differs from it in its query alone");
        return undefined;
      }
      this.#withQuery.set(path, url);
    }
    return location;
  }
}

/** A URL as it may be shown to clients. */
export function withoutUserInfo(url: string): string {
  return url.includes('@') ? url.replace(/^([a-z][a-z0-9+.-]*:)?([\\/]{2,})[^\\/?#]*@/i, '$1$2') : url;
}
