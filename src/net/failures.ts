// Turns anything that was thrown while asking upstream into one UpstreamFailure of a closed list of kinds.
// The phase decides first: the same ECONNRESET is a refused door, a failed handshake or a broken answer.

import { type FailureKind, UpstreamFailure } from '../core/errors.ts';

/** How far the connection had come when it failed. */
export type Phase = 'dns' | 'connect' | 'tls' | 'exchange';

/** undici's and llhttp's codes for an answer that is not HTTP/1.1, or larger than we accept (RFC 9112 2.2, 6.3). */
const PROTOCOL_CODES: ReadonlySet<string> = new Set([
  'UND_ERR_HEADERS_OVERFLOW',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_INVALID_ARG',
]);

/** The `code` of a thrown system, TLS or library error; empty when it has none. */
function codeOf(thrown: unknown): string {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : '';
}

function kindOf(code: string, phase: Phase): FailureKind {
  if (phase !== 'exchange') return phase;
  return PROTOCOL_CODES.has(code) || code.startsWith('HPE_') ? 'protocol' : 'reset';
}

/** What the runtime throws over code that is wrong; the network's errors have a code. */
const BUGS = [TypeError, ReferenceError, RangeError, SyntaxError] as const;

const SENTENCES: Readonly<Record<Phase, string>> = {
  dns: 'the name could not be resolved',
  connect: 'no connection could be made',
  tls: 'the TLS handshake failed',
  exchange: 'the exchange broke off',
};

/**
 * The failure for `thrown`; one that is an UpstreamFailure already comes back unchanged. Throws what is a bug of ours:
 * upstream must not be blamed for it.
 * `host` is named in the message, which clients see; the original error stays as its `cause` for our log.
 */
export function toUpstreamFailure(thrown: unknown, phase: Phase, host: string): UpstreamFailure {
  if (thrown instanceof UpstreamFailure) return thrown;
  const code = codeOf(thrown);
  if (code === '' && BUGS.some((bug) => thrown instanceof bug)) throw thrown;
  const detail = code === '' ? '' : ` (${code})`;
  return new UpstreamFailure(kindOf(code, phase), `${host}: ${SENTENCES[phase]}${detail}`, { cause: thrown });
}

/** Our side gave up: the caller's signal was aborted. Nobody's health suffers. */
export function abortedFailure(host: string): UpstreamFailure {
  return new UpstreamFailure('aborted', `${host}: the request was given up`);
}

/** It did not come to its turn in time: we ask as much as we may already. Nobody's health suffers. */
export function crowdedFailure(host: string): UpstreamFailure {
  return new UpstreamFailure('crowded', `${host}: too many requests wait for it`);
}

/** Kinds that say something bad about the server or the way to it; the others are about one answer or about us. */
const UNHEALTHY: ReadonlySet<FailureKind> = new Set([
  'dns',
  'connect',
  'tls',
  'timeout',
  'too-slow',
  'reset',
  'protocol',
]);

/** Whether this failure counts against an upstream's health. 4xx never does; 5xx does. */
export function isUnhealthy(failure: UpstreamFailure): boolean {
  return UNHEALTHY.has(failure.kind) || (failure.upstreamStatus ?? 0) >= 500;
}
