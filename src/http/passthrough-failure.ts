// What Node says of a failed exchange, in the words of our errors. Pure.

import { type FailureKind, ProxyError, UpstreamFailure } from '../errors.ts';

const KIND_OF_CODE: Readonly<Record<string, FailureKind>> = {
  ENOTFOUND: 'dns',
  EAI_AGAIN: 'dns',
  EAI_FAIL: 'dns',
  ECONNREFUSED: 'connect',
  EHOSTUNREACH: 'connect',
  ENETUNREACH: 'connect',
  EADDRNOTAVAIL: 'connect',
  ETIMEDOUT: 'timeout',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
  EPROTO: 'tls',
};
/** OpenSSL's reasons to distrust a certificate, and Node's own about its name. */
const TLS_CODE = /^(?:ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|CRL_|HOSTNAME_MISMATCH|INVALID_CA)/;

const SENTENCES: Partial<Record<FailureKind, string>> = {
  dns: 'the name of the upstream does not resolve',
  connect: 'the upstream refuses connections',
  tls: 'the connection to the upstream is not secure',
  timeout: 'the upstream did not answer in time',
  protocol: 'the upstream does not speak HTTP correctly',
};

/** The failure to throw for `error`; one of our own (the egress guard's, a body too large) stays what it is. */
export function failureFrom(error: Error & { readonly code?: unknown }, timedOut: boolean): ProxyError {
  if (error instanceof ProxyError) return error;
  const kind = timedOut ? 'timeout' : kindOf(error);
  return new UpstreamFailure(kind, SENTENCES[kind] ?? 'the upstream ended the connection', { cause: error });
}

function kindOf(error: Error & { readonly code?: unknown }): FailureKind {
  // Several addresses were tried, and each has its own error.
  if (error instanceof AggregateError && error.errors[0] instanceof Error) return kindOf(error.errors[0]);
  const code = String(error.code ?? '');
  if (TLS_CODE.test(code)) return 'tls';
  if (code.startsWith('HPE_') || code === 'ERR_INVALID_CHAR') return 'protocol';
  return KIND_OF_CODE[code] ?? 'reset';
}
