// Every failure that a client can be told of: a class with a status and a stable code, thrown where the fact is
// known and turned into a reply in http/server alone (application/problem+json, RFC 9457).

/** The base: `message` is shown to the client as the problem's detail, so it never holds a secret or a path. */
export abstract class ProxyError extends Error {
  abstract readonly status: number;
  abstract readonly code: ErrorCode;
  /** Whole seconds for Retry-After; pip sleeps as long as it is told, Poetry dies on a date. */
  readonly retryAfterSeconds?: number;
}

/** The request itself is wrong: a malformed name, path or header. */
export class BadRequest extends ProxyError {
  override readonly status = 400;
  override readonly code = 'bad-request';
}

/** A client has not said who it is, or not rightly. */
export class Unauthorized extends ProxyError {
  override readonly status = 401;
  override readonly code = 'unauthorized';
  /** What would be taken (RFC 9110 11.6.1). */
  readonly challenge: string;
  constructor(message: string, challenge: string) {
    super(message);
    this.challenge = challenge;
  }
}

/** An address has said wrongly who it is, too often in a short time. */
export class TooManyFailures extends ProxyError {
  override readonly status = 429;
  override readonly code = 'too-many-failures';
  override readonly retryAfterSeconds: number;
  constructor(waitSeconds: number) {
    super('Too many wrong passwords came from this address; it has to wait.');
    this.retryAfterSeconds = waitSeconds;
  }
}

/** Upstream answered cleanly that there is no such thing, or no route matches. */
export class NotFound extends ProxyError {
  override readonly status = 404;
  override readonly code: ErrorCode;
  constructor(message: string, code: ErrorCode = 'not-found') {
    super(message);
    this.code = code;
  }
}

/** The client accepts none of the formats that there are (RFC 9110 15.5.7). */
export class NotAcceptable extends ProxyError {
  override readonly status = 406;
  override readonly code = 'not-acceptable';
}

/** The method is not served here. */
export class MethodNotAllowed extends ProxyError {
  override readonly status = 405;
  override readonly code = 'method-not-allowed';
  readonly allow: string;
  constructor(message: string, allow = 'GET, HEAD') {
    super(message);
    this.allow = allow;
  }
}

/** An operator's rule or a configuration switch says no. */
export class Forbidden extends ProxyError {
  override readonly status = 403;
  override readonly code: ErrorCode;
  constructor(message: string, code: ErrorCode = 'forbidden') {
    super(message);
    this.code = code;
  }
}

/** The supply-chain policy keeps a release out. `message` is one sentence that also fits a status line. */
export class Refused extends ProxyError {
  override readonly status = 403;
  override readonly code: ErrorCode;
  constructor(message: string, code: ErrorCode) {
    super(message);
    this.code = code;
  }
}

/** The client takes us for a server of another name (RFC 9110 15.5.20). */
export class MisdirectedRequest extends ProxyError {
  override readonly status = 421;
  override readonly code = 'misdirected-request';
}

/** Removed for legal reasons upstream: passed on, never hidden by a stale copy. */
export class UnavailableForLegalReasons extends ProxyError {
  override readonly status = 451;
  override readonly code = 'unavailable-for-legal-reasons';
}

/** Upstream gives a known filename another hash, and the operator does not accept that. */
export class ChangedFile extends ProxyError {
  override readonly status = 502;
  override readonly code = 'changed-file';
  override readonly retryAfterSeconds: number = 5;
}

/** We are too busy to take this on. */
export class Overloaded extends ProxyError {
  override readonly status = 503;
  override readonly code = 'overloaded';
  override readonly retryAfterSeconds: number = 1;
}

/**
 * A fault of our own met while a key was being fetched or read: a bug, a thread that ended, memory that ran out. It says
 * nothing of upstream. The log has its cause; the client learns no more than that it may try again.
 */
export class OwnFault extends ProxyError {
  override readonly status = 500;
  override readonly code = 'internal-error';
  override readonly retryAfterSeconds: number = 5;
  constructor(cause: unknown) {
    super('Something went wrong here; see the log.', { cause });
  }
}

/** A stored answer is required and none may be used (RFC 9111 5.2.1.7, 5.2.2.2). Raw mounts only: pip reads 504 as "none". */
export class GatewayTimeout extends ProxyError {
  override readonly status = 504;
  override readonly code = 'no-usable-copy';
}

/** What went wrong while asking upstream; a closed list, used in metrics, logs and tests. */
export const FAILURE_KINDS = [
  'dns',
  'connect',
  'tls',
  'timeout',
  'too-slow',
  'reset',
  'protocol',
  'status',
  'rate-limited',
  'redirect',
  'forbidden-address',
  'too-large',
  'invalid-body',
  'wrong-digest',
  'circuit-open',
  'crowded',
  'aborted',
] as const;
/** How a request to an upstream can fail. */
export type FailureKind = (typeof FAILURE_KINDS)[number];

const UNAVAILABLE: ReadonlySet<FailureKind> = new Set([
  'timeout',
  'too-slow',
  'rate-limited',
  'circuit-open',
  'crowded',
]);

/**
 * Upstream could not be used. Never 404: a false 404 sends installers to the next index.
 * 503 when upstream is too slow, paused or overloaded, else 502.
 */
export class UpstreamFailure extends ProxyError {
  override readonly status: number;
  override readonly code: ErrorCode;
  override readonly retryAfterSeconds: number;
  readonly kind: FailureKind;
  /** The status that upstream sent, where there was one. */
  readonly upstreamStatus: number | undefined;
  /** Milliseconds that upstream asked us to stay away (Retry-After), where it did. */
  readonly pauseMs: number | undefined;

  constructor(
    kind: FailureKind,
    message: string,
    details: { readonly upstreamStatus?: number; readonly pauseMs?: number; readonly cause?: unknown } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.kind = kind;
    this.code = `upstream-${kind}`;
    this.status = UNAVAILABLE.has(kind) || details.upstreamStatus === 503 ? 503 : 502;
    this.upstreamStatus = details.upstreamStatus;
    this.pauseMs = details.pauseMs;
    this.retryAfterSeconds = Math.min(5, Math.max(1, Math.ceil((details.pauseMs ?? 2000) / 1000)));
  }
}

// The one table of error codes: what an answer that is a failure says it is, in its problem's `type` and in Cache-Status.
// They are part of the product's surface, in kebab case; the type of every error's code and docs/errors.md come from it.

/** By code: the status it comes with, and what it means. */
export const ERROR_CODES = {
  'bad-request': [400, 'the request is malformed, or a proxy in front might read it differently'],
  unauthorized: [401, 'the request has no valid client credentials (`clients_file`), or the admin token is wrong'],
  forbidden: [403, 'a rule of this server refuses the request'],
  'uploads-disabled': [403, 'the option `uploads` is off'],
  'xml-rpc-disabled': [403, 'the option `xml_rpc` is off'],
  quarantined: [403, 'the index has quarantined the project'],
  held: [403, 'the supply-chain policy holds the release until it is older (`policy`)'],
  denied: [403, 'the supply-chain policy denies the release (`policy`)'],
  pulled: [403, 'the file left its index soon after its upload, so it was probably harmful'],
  'not-found': [404, 'the requested resource does not exist'],
  'no-such-route': [404, 'nothing is served at this path'],
  'invalid-project-name': [404, 'this cannot be the name of a project'],
  'project-not-found': [404, 'every index answered that it does not have this project'],
  'file-not-listed': [404, 'no page lists a file at this address'],
  'file-not-found': [404, 'a page lists the file, but upstream does not have it'],
  'metadata-not-found': [404, 'the index offers no core metadata for the file'],
  'provenance-not-found': [404, 'the index offers no provenance for the file'],
  'document-not-found': [404, 'the index has no such legacy JSON or provenance'],
  'no-such-document': [404, 'the index offers only the simple API'],
  'never-agreed': [404, '`/last-modified` has no answer yet: an index has never been reached'],
  'method-not-allowed': [405, 'the path does not support this method'],
  'not-acceptable': [406, 'the client accepts no format of an index page (`strict_accept`)'],
  'content-too-large': [413, 'the body of the request is too large'],
  'misdirected-request': [421, 'Host is not in `allowed_hosts`'],
  'too-many-failures': [429, 'this address sent too many wrong credentials and must wait before it tries again'],
  'unavailable-for-legal-reasons': [451, 'upstream removed it for legal reasons'],
  'internal-error': [500, 'Wheelkeep failed; its log names the cause'],
  'changed-file': [502, 'the index gives a known file another hash (`changed_files`)'],
  'storage-unreadable': [
    503,
    'the disk cannot read the stored copy now and upstream does not deliver it; the copy stays stored',
  ],
  overloaded: [503, 'the server has too many requests; try again later'],
  'audit-log-unwritable': [503, '`audit_log` could not be written, so the command did not run'],
  'no-usable-copy': [504, 'raw mounts only: the request requires a stored response, and none may be used'],
  loop: [508, 'the request has come back to the Wheelkeep that sent it'],
  'upstream-dns': [502, "upstream's name has no address"],
  'upstream-connect': [502, 'no connection to upstream could be made'],
  'upstream-tls': [502, "upstream's certificate cannot be trusted, or TLS failed"],
  'upstream-timeout': [503, 'upstream did not answer in time'],
  'upstream-too-slow': [503, 'upstream sent too few bytes for too long'],
  'upstream-reset': [502, 'upstream broke the connection'],
  'upstream-protocol': [502, 'upstream sent something that is not valid HTTP'],
  'upstream-status': [502, 'upstream answered with an error status (503 when its own was 503)'],
  'upstream-rate-limited': [503, 'upstream answered 429; Wheelkeep pauses requests to it'],
  'upstream-redirect': [502, 'upstream redirected in a loop, or to a forbidden target'],
  'upstream-forbidden-address': [
    502,
    'Wheelkeep may not connect to the address: it is private, or plain http (`file_origins`)',
  ],
  'upstream-too-large': [502, 'the body is larger than `max_page`, `max_file` or `max_body`'],
  'upstream-invalid-body': [502, 'the body is not the expected document, for example a login page or half a page'],
  'upstream-wrong-digest': [502, 'the hash of the file differs from the one on its page'],
  'upstream-circuit-open': [503, 'upstream kept failing; its circuit is open and no request is sent'],
  'upstream-crowded': [503, 'too many requests wait for upstream'],
  'upstream-aborted': [502, 'the fetch was aborted'],
} as const satisfies Readonly<Record<string, readonly [status: number, meaning: string]>>;

/** The stable codes of errors. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** The table of docs/errors.md, in Markdown. */
export function errorCodesTable(): string {
  const rows = Object.entries(ERROR_CODES).map(
    ([code, [status, meaning]]) => `| \`${code}\` | ${status} | ${meaning} |`,
  );
  return ['| code | status | meaning |', '| --- | --- | --- |', ...rows].join('\n');
}

/** Nothing of it can be sent yet. */
export class StillOnItsWay extends UpstreamFailure {
  constructor() {
    super('timeout', 'Upstream is slow: what was asked for is still on its way. Ask again.');
  }
}
