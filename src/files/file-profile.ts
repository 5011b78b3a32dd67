// How distribution files and their companions are cached. A file whose hash the page gives never changes; one without
// is kept as it came and asked about again after ten minutes.

import type { Profile } from '../cache/profile.ts';
import { type Fields, fieldLines, type ResponseHead } from '../core/http-message.ts';

/** Limits of files and metadata, in bytes. */
export interface FileProfileOptions {
  readonly maxFileBytes: number;
  /** What nobody gets of a larger file before its hash is known to be right. */
  readonly holdBackBytes: number;
  /** What may be missing of a file that nobody reads any more for it to be fetched to its end. */
  readonly finishAbandonedBytes: number;
  readonly patienceMs: number;
  /** Seconds for which "there is none" holds for a companion (`.metadata`, `.asc`). */
  readonly negativeFreshSeconds: number;
}

/** Files up to this size are sent when they are whole and right; then no client ever sees a broken download. */
const WHOLE_UP_TO_BYTES = 2 * 1024 * 1024;

/** Cache-Control of a file whose hash its page gives: it never changes (RFC 8246). */
export const VERIFIED_CONTROL = 'public, max-age=365000000, immutable';
/** Cache-Control of a file that nobody vouches for: ten minutes. */
export const UNVERIFIED_CONTROL = 'public, max-age=600';

/** The profiles of files, metadata and signatures. */
export interface FileProfiles {
  /** A hash is known beforehand. */
  readonly verified: Profile;
  readonly unverified: Profile;
  /** Core metadata with a hash; a 404 is an answer, not a failure. */
  readonly companion: Profile;
  readonly unverifiedCompanion: Profile;
}

/** The profiles by which the cache treats files. */
export function fileProfiles(options: FileProfileOptions): FileProfiles {
  return {
    verified: profile('file', VERIFIED_CONTROL, options),
    unverified: profile('file', UNVERIFIED_CONTROL, options),
    companion: profile('metadata', VERIFIED_CONTROL, options),
    unverifiedCompanion: profile('metadata', UNVERIFIED_CONTROL, options),
  };
}

function profile(name: 'file' | 'metadata', control: string, options: FileProfileOptions): Profile {
  return {
    name,
    rules: {
      heuristic: false,
      // Bytes that were right once stay right: in trouble they are served whatever their age.
      staleIfErrorSeconds: Number.POSITIVE_INFINITY,
      targeted: [],
      requestDirectives: 'ignore',
    },
    body: {
      kind: 'streamed',
      maxBytes: options.maxFileBytes,
      wholeUpToBytes: WHOLE_UP_TO_BYTES,
      holdBackBytes: options.holdBackBytes,
      finishAbandonedBytes: options.finishAbandonedBytes,
      shared: true,
    },
    patienceMs: options.patienceMs,
    refreshAhead: false,
    meaning: (status) => {
      if (status === 200) return 'content';
      // A listed file that is not there is a failure of upstream's; a companion may simply not exist.
      if (name === 'metadata' && (status === 404 || status === 410)) return 'missing';
      return status === 451 ? 'removed' : 'failure';
    },
    grant: (response) => grantedFields(response, control, options.negativeFreshSeconds),
    judge: () => ({ kind: 'replace' }),
    contradicts: () => false,
  };
}

function grantedFields(response: ResponseHead, control: string, negativeFreshSeconds: number): Fields {
  const granted: string[] = [];
  for (const name of ['etag', 'last-modified']) {
    for (const line of fieldLines(response.fields, name)) granted.push(name, line);
  }
  const found = response.status === 200 || response.status === 304;
  granted.push('cache-control', found ? control : `max-age=${negativeFreshSeconds}`);
  return granted;
}
