// The certificate and key by which our listeners prove who they are: read and checked, so that what is handed out works.

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';

/** PEM texts. `cert` begins with our own certificate; those that lead to an authority follow. */
export interface TlsIdentity {
  readonly cert: string;
  readonly key: string;
}

/** Paths of the PEM files of a certificate and its private key. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** A file that is no use; the message says why and what is expected, and never holds a part of the key. */
export class UnusableIdentity extends Error {
  readonly file: keyof TlsFiles;
  constructor(file: keyof TlsFiles, message: string) {
    super(message);
    this.file = file;
  }
}

const CERTIFICATE = 'expected a PEM file with the certificate, and behind it those that lead to its authority';
const KEY = 'expected a PEM file with the private key of the certificate, without a passphrase';

/** Rejects with UnusableIdentity. */
export async function readIdentity(files: TlsFiles): Promise<TlsIdentity> {
  const [cert, key] = await Promise.all([textOf('certFile', files), textOf('keyFile', files)]);
  const certificate = parsed('certFile', `holds no certificate; ${CERTIFICATE}`, () => new X509Certificate(cert));
  const privateKey = parsed('keyFile', `holds no private key; ${KEY}`, () => keyOf(key));
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new UnusableIdentity('keyFile', `does not belong to the first certificate of ${files.certFile}; ${KEY}`);
  }
  // Whatever else OpenSSL has against them (a key that is too weak, a damaged chain) must be known before it counts.
  parsed('certFile', `is not accepted; ${CERTIFICATE}`, () => createSecureContext({ cert, key }));
  return { cert, key };
}

/** Milliseconds since the epoch: from when until when the certificate is valid. */
export function validity({ cert }: TlsIdentity): { readonly from: number; readonly to: number } {
  const { validFromDate, validToDate } = new X509Certificate(cert);
  return { from: validFromDate.getTime(), to: validToDate.getTime() };
}

const DAY_MS = 86_400_000;
/** Long enough before the end that somebody is at work in between. */
const SOON_DAYS = 7;

/** What a client would have against the certificate at `now`, or soon will; undefined when there is nothing. */
export function expiryWarning(identity: TlsIdentity, now: number): string | undefined {
  const { from, to } = validity(identity);
  if (now > to) return `expired on ${new Date(to).toISOString()}: no client accepts it`;
  if (now < from) return `is valid from ${new Date(from).toISOString()} on: no client accepts it yet`;
  const days = Math.floor((to - now) / DAY_MS);
  return days < SOON_DAYS ? `expires on ${new Date(to).toISOString()}` : undefined;
}

async function textOf(file: keyof TlsFiles, files: TlsFiles): Promise<string> {
  try {
    return await readFile(files[file], 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UnusableIdentity(file, `cannot be read (${code}); ${file === 'certFile' ? CERTIFICATE : KEY}`);
  }
}

/** OpenSSL's own words name functions of its library; ours say what to do. */
function parsed<T>(file: keyof TlsFiles, complaint: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof UnusableIdentity) throw error;
    throw new UnusableIdentity(file, complaint);
  }
}

function keyOf(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MISSING_PASSPHRASE') throw error;
    throw new UnusableIdentity('keyFile', `is locked by a passphrase, which nobody would be there to type; ${KEY}`);
  }
}
