// A request to the server of this configuration, on this machine. Over TLS it must show the very certificate that the
// configuration names: its names are those by which clients know it, and ours is an address.

import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import type { Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { connect } from 'node:tls';

/** A request of a command to the running server. */
export interface OwnRequest {
  readonly url: string;
  readonly fields?: Readonly<Record<string, string>>;
  /** Makes it a POST. */
  readonly body?: string;
  readonly timeoutMs: number;
  /** `tls.cert_file`, for https. */
  readonly certFile: string | undefined;
}

/** What the running server answered. */
export interface OwnAnswer {
  readonly status: number;
  readonly text: string;
}

/** Nobody answers, or somebody else; the message is a short reason. */
export class NoOwnServer extends Error {}

/** Rejects with NoOwnServer. */
export async function askOwnServer({ url, fields, body, timeoutMs, certFile }: OwnRequest): Promise<OwnAnswer> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const socket = url.startsWith('https:') ? await pinned(new URL(url), certFile!, signal) : undefined;
    const asked = request(url.replace(/^https:/, 'http:'), {
      method: body === undefined ? 'GET' : 'POST',
      headers: { ...fields, connection: 'close' },
      signal,
      ...(socket && { createConnection: () => socket }),
    });
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      asked.once('response', resolve);
      asked.once('error', reject);
    });
    asked.end(body);
    const answer = await answered;
    return { status: answer.statusCode!, text: String(await buffer(answer)) };
  } catch (error) {
    if (error instanceof NoOwnServer) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw new NoOwnServer(signal.aborted ? 'no answer in time' : (code ?? message));
  }
}

async function pinned({ hostname, port }: URL, certFile: string, signal: AbortSignal): Promise<Socket> {
  const { raw } = new X509Certificate(await readFile(certFile));
  const host = hostname.replace(/^\[|\]$/g, '');
  // Not by authority and name, but by the certificate itself, below and before anything is sent.
  const socket = connect({ host, port: Number(port), rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] });
  signal.addEventListener('abort', () => socket.destroy(new Error('no answer in time')));
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', reject);
  });
  if (socket.getPeerX509Certificate()?.raw.equals(raw) === true) return socket;
  socket.destroy();
  throw new NoOwnServer(`it shows another certificate than ${certFile} has; its log says why`);
}
