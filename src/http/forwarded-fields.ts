// Which header lines a forwarded message keeps (RFC 9110 7.6.1): pure, from raw lines to raw lines, order and
// repetition kept.

import { STATUS_CODES } from 'node:http';
import { type Fields, fieldsFromRaw } from '../core/http-message.ts';
import type { Exchange } from './exchange.ts';

/** Meant for one connection only, whatever Connection says; Trailer because trailers are not merged. */
const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-authentication-info',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

/** Set anew for every request that goes out: by us, by the target, or by the expectation's own handling. */
const REPLACED_IN_REQUESTS = ['host', 'authorization', 'expect'];

/** What a client tells about itself and its network, and what upstream wants to remember of it. */
const PRIVATE_IN_REQUESTS = /^(?:cookie2?|forwarded|x-.*|cf-.*|true-client-ip)$/;
const PRIVATE_IN_RESPONSES = /^(?:set-cookie2?|server|via|x-powered-by)$/;

type Kind = 'raw' | 'passthrough';

/** The client's lines that go upstream, with our own `Via` added (RFC 9110 7.6.3). */
export function requestFields(raw: readonly string[], kind: Kind, via: string): Fields {
  const dropped = new Set([...HOP_BY_HOP, ...REPLACED_IN_REQUESTS, ...namedByConnection(raw)]);
  const fields = kept(raw, (name) => dropped.has(name) || (kind === 'passthrough' && PRIVATE_IN_REQUESTS.test(name)));
  return [...fields, 'Via', via];
}

/** All of the client's fields that are end-to-end, names in lower case: what a cache sees of a request. */
export function endToEndFields(raw: readonly string[]): Fields {
  // Host names us; a body, where there is one, is not part of what is cached; an expectation is met or forwarded.
  const dropped = new Set([...HOP_BY_HOP, ...namedByConnection(raw), 'host', 'content-length', 'expect']);
  return fieldsFromRaw(kept(raw, (name) => dropped.has(name)));
}

/** Upstream's lines that go to the client. */
export function responseFields(raw: readonly string[], kind: Kind): Fields {
  const dropped = new Set([...HOP_BY_HOP, ...namedByConnection(raw)]);
  return kept(raw, (name) => dropped.has(name) || (kind === 'passthrough' && PRIVATE_IN_RESPONSES.test(name)));
}

function kept(raw: readonly string[], isDropped: (name: string) => boolean): string[] {
  const fields: string[] = [];
  for (let i = 0; i < raw.length; i += 2) if (!isDropped(raw[i]!.toLowerCase())) fields.push(raw[i]!, raw[i + 1]!);
  return fields;
}

/** Further hop-by-hop names that the sender lists in Connection; never those that frame the message. */
function namedByConnection(raw: readonly string[]): string[] {
  const names: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    if (raw[i]!.toLowerCase() === 'connection') names.push(...raw[i + 1]!.toLowerCase().split(/[\s,]+/));
  }
  return names.filter((name) => name !== 'content-length' && name !== 'close');
}

// Sends on an interim answer (1xx) of upstream's. Node offers methods for three statuses and no others, and for one of
// them takes no fields as they came.

/** Interim answers are dropped beyond this many bytes that the client has not read: they are hints, and have no end. */
const MAX_UNREAD_BYTES = 64 * 1024;

/** Does nothing once the final answer has begun, or while an earlier answer has the connection. */
export function sendInformational({ request, response }: Exchange, status: number, fields: Fields): void {
  // RFC 9110 15.2: HTTP/1.0 knows no 1xx. 101 would hand over the connection, which nobody has asked for.
  if (request.httpVersion === '1.0' || status === 101 || response.headersSent) return;
  const { socket } = response;
  // A pipelined request whose turn has not come has no connection yet (RFC 9112 9.3.2).
  if (socket === null || socket.destroyed || socket.writableLength > MAX_UNREAD_BYTES) return;
  if (status === 100) {
    response.writeContinue();
    return;
  }
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`];
  const sent = responseFields(fields, 'raw');
  for (let i = 0; i < sent.length; i += 2) lines.push(`${sent[i]}: ${sent[i + 1]}`);
  socket.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}
