// The one table of error codes: what an answer that is a failure says it is, in its problem's `type` and in Cache-Status.
// They are part of the product's surface, in kebab case; the type of every error's code and docs/errors.md come from it.

/** By code: the status it comes with, and what it means. */
export const ERROR_CODES = {
  'bad-request': [400, 'the request is malformed, or a proxy in front might read it differently'],
  unauthorized: [
    401,
    'clients have to prove who they are here (`clients_file`), or the token of the administration is wrong',
  ],
  forbidden: [403, 'a rule of this server says no'],
  'uploads-disabled': [403, 'the option `uploads` is off'],
  'xml-rpc-disabled': [403, 'the option `xml_rpc` is off'],
  quarantined: [403, 'the index has quarantined the project'],
  pulled: [403, 'the file left its index soon after its upload, so it was probably harmful'],
  'not-found': [404, 'there is no such thing here'],
  'no-such-route': [404, 'nothing is served at this path'],
  'invalid-project-name': [404, 'this cannot be the name of a project'],
  'project-not-found': [404, 'no index has this project: each said so itself'],
  'file-not-listed': [404, 'no page lists a file at this address'],
  'file-not-found': [404, 'a page lists the file, and upstream does not have it'],
  'metadata-not-found': [404, 'the index offers no core metadata for the file'],
  'provenance-not-found': [404, 'the index offers no provenance for the file'],
  'document-not-found': [404, 'the index has no such legacy JSON or provenance'],
  'no-such-document': [404, 'the index behind has its simple API only'],
  'never-agreed': [404, '`/last-modified` has no answer yet: an index has never been reached'],
  'method-not-allowed': [405, 'the path is served, this method is not'],
  'not-acceptable': [406, 'the client accepts no format of an index page (`strict_accept`)'],
  'content-too-large': [413, 'the body of the request is too large'],
  'misdirected-request': [421, 'the server is not called by this name (`allowed_hosts`)'],
  'too-many-failures': [429, 'too many wrong passwords came from this address; it has to wait'],
  'unavailable-for-legal-reasons': [451, 'upstream removed it for legal reasons'],
  'internal-error': [500, 'a fault of Wheelkeep; its log says more'],
  'changed-file': [502, 'the index gives a known file another hash (`changed_files`)'],
  'storage-unreadable': [503, 'the disk does not give the stored copy now, and upstream does not either; it is kept'],
  overloaded: [503, 'too busy to take this on now'],
  'audit-log-unwritable': [503, 'an order could not be written down (`audit_log`), and was not carried out'],
  'no-usable-copy': [504, 'raw mounts only: a stored answer was required, and none may be used'],
  loop: [508, 'the request has come back to the Wheelkeep that sent it'],
  'upstream-dns': [502, "upstream's name has no address"],
  'upstream-connect': [502, 'no connection to upstream could be made'],
  'upstream-tls': [502, "upstream's certificate cannot be trusted, or TLS failed"],
  'upstream-timeout': [503, 'upstream did not answer in time'],
  'upstream-too-slow': [503, 'upstream sent too few bytes for too long'],
  'upstream-reset': [502, 'upstream broke the connection'],
  'upstream-protocol': [502, 'what upstream sent is no HTTP'],
  'upstream-status': [502, 'upstream answered with a status of failure (503 when its own was 503)'],
  'upstream-rate-limited': [503, 'upstream said 429 and is left alone for a while'],
  'upstream-redirect': [502, 'upstream redirected in circles, or to where it may not'],
  'upstream-forbidden-address': [502, 'an address that must not be asked: private, or plain http (`file_origins`)'],
  'upstream-too-large': [502, 'the body is larger than `max_page`, `max_file` or `max_body`'],
  'upstream-invalid-body': [502, 'the body is not what was asked for: a login page, half a page'],
  'upstream-wrong-digest': [502, 'the file does not have the hash that its page says'],
  'upstream-circuit-open': [503, 'upstream has been failing and is not asked at the moment'],
  'upstream-crowded': [503, 'too many requests wait for upstream'],
  'upstream-aborted': [502, 'the fetch was given up'],
} as const satisfies Readonly<Record<string, readonly [status: number, meaning: string]>>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** The table of docs/errors.md, in Markdown. */
export function errorCodesTable(): string {
  const rows = Object.entries(ERROR_CODES).map(
    ([code, [status, meaning]]) => `| \`${code}\` | ${status} | ${meaning} |`,
  );
  return ['| code | status | meaning |', '| --- | --- | --- |', ...rows].join('\n');
}
