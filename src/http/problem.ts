// Failures as clients see them: application/problem+json (RFC 9457), which uv shows to its user.

import { type ErrorCode, MethodNotAllowed, ProxyError, Refused, Unauthorized } from '../core/errors.ts';
import { cacheStatus } from '../http-semantics/cache-status.ts';
import { ProjectNotFound } from '../index/page-errors.ts';
import { reasonPhrase } from '../policy/judge.ts';
import { isOutOfDescriptors } from '../store/blobs/open-files.ts';
import type { Exchange } from './exchange.ts';

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not found',
  405: 'Method not allowed',
  406: 'Not acceptable',
  413: 'Content too large',
  429: 'Too many requests',
  451: 'Unavailable for legal reasons',
  500: 'Internal error',
  502: 'Upstream failed',
  503: 'Temporarily unavailable',
  504: 'No usable copy',
  508: 'Loop detected',
};

/** Seconds for which a client may remember that something is missing. */
const NEGATIVE_SECONDS = 60;

/** Turns any error into an answer, or breaks the connection when an answer has already begun. */
export function sendProblem(exchange: Exchange, error: unknown): void {
  const { response } = exchange;
  const known = error instanceof ProxyError ? error : undefined;
  const status = known?.status ?? (isOutOfDescriptors(error) ? 503 : 500);
  exchange.outcome = error instanceof ProjectNotFound ? error.outcome : outcomeOf(status);
  if (response.headersSent) {
    // Only a broken connection tells an HTTP/1.1 client that the body is not complete (RFC 9112 8).
    response.destroy();
    return;
  }
  const code: ErrorCode = known?.code ?? (status === 503 ? 'overloaded' : 'internal-error');
  const title = TITLES[status] ?? 'Request failed';
  // An unexpected error's text may hold a path or an address: the log has it, the client does not.
  const detail =
    known?.message ?? (status === 503 ? 'Too busy, try again.' : 'Something went wrong here; see the log.');
  const body = Buffer.from(`${JSON.stringify({ type: `about:blank#${code}`, title, status, detail })}\n`);
  const fields = [
    'content-type',
    'application/problem+json',
    'content-length',
    String(body.length),
    'cache-control',
    status === 404 ? `max-age=${error instanceof ProjectNotFound ? error.freshSeconds : NEGATIVE_SECONDS}` : 'no-store',
    'x-content-type-options',
    'nosniff',
    'content-security-policy',
    'sandbox',
    'cache-status',
    cacheStatus({ detail: code }),
  ];
  const retryAfter = known?.retryAfterSeconds ?? (status === 503 ? 1 : undefined);
  if (retryAfter !== undefined) fields.push('retry-after', String(retryAfter));
  if (error instanceof Unauthorized) fields.push('www-authenticate', error.challenge);
  if (error instanceof MethodNotAllowed) fields.push('allow', error.allow);
  // Whatever of the request was not read must not be taken for the next one.
  if (status === 400 || status === 413) fields.push('connection', 'close');
  // Twine shows its user the reason phrase and nothing else of a refusal.
  if (exchange.kind === 'passthrough' && PHRASE.test(detail)) response.statusMessage = detail;
  // pip shows its user nothing else of a file that is refused.
  if (error instanceof Refused) response.statusMessage = reasonPhrase(detail);
  exchange.send(status, fields, body);
}

/** What may stand in a status line without ending it (RFC 9112 4). */
const PHRASE = /^[\x20-\x7e]+$/;

function outcomeOf(status: number): 'miss' | 'denied' | 'failed' {
  if (status >= 500) return 'failed';
  return status === 404 || status === 451 ? 'miss' : 'denied';
}
