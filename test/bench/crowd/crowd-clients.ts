// Many clients that download one address at once, in a process of their own. Plain sockets that read into one buffer
// each: Node's HTTP client would need more processor time than the server, and would be what limits. Bytes are counted
// and dropped; a few clients hash them.

import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { answerParent } from '../child-calls.ts';

export interface Download {
  readonly url: string;
  readonly fields: Readonly<Record<string, string>>;
  readonly clients: number;
  /** How many of the clients hash what they get. */
  readonly hashed: number;
  /** Each of them reads no faster than that. */
  readonly bytesPerSecond?: number;
  /** The last ones go away when they have so much of the body. */
  readonly leaving?: { readonly clients: number; readonly afterBytes: number };
}

/** What one client got. Times are milliseconds since its request. */
export interface Downloaded {
  readonly status: number;
  /** Of the body. */
  readonly bytes: number;
  readonly firstByteMs: number;
  readonly totalMs: number;
  readonly sha256?: string;
  /** Set when it was cut off. */
  readonly error?: string;
}

export interface CrowdResult {
  readonly clients: readonly Downloaded[];
  /** Share of one core that the crowd itself needed; near 1 the crowd was what limited. */
  readonly load: number;
}

const READ_BYTES = 256 * 1024;
/** A slow client that is less ahead of its rate than this reads on. */
const SLACK_MS = 20;
const END_OF_HEAD = '\r\n\r\n';

answerParent<Download>(async (wanted): Promise<CrowdResult> => {
  const { url, fields, clients, hashed, bytesPerSecond = Number.POSITIVE_INFINITY, leaving } = wanted;
  const startedAt = performance.now();
  const before = process.cpuUsage();
  const request = requestText(new URL(url), fields);
  const staying = clients - (leaving?.clients ?? 0);
  const downloads = Array.from({ length: clients }, (_, n) => {
    const leaveAfterBytes = n < staying ? Number.POSITIVE_INFINITY : leaving!.afterBytes;
    return download(new URL(url), { request, hashed: n < hashed, bytesPerSecond, leaveAfterBytes });
  });
  const results = await Promise.all(downloads);
  const { user, system } = process.cpuUsage(before);
  return { clients: results, load: (user + system) / 1000 / (performance.now() - startedAt) };
});

function requestText({ host, pathname }: URL, fields: Readonly<Record<string, string>>): string {
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET ${pathname} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n${lines.join('')}\r\n`;
}

interface Client {
  readonly request: string;
  readonly hashed: boolean;
  readonly bytesPerSecond: number;
  readonly leaveAfterBytes: number;
}

/** For answers that say their length, as all that the crowd asks for do. */
function download({ hostname, port }: URL, client: Client): Promise<Downloaded> {
  const { request, hashed, bytesPerSecond, leaveAfterBytes } = client;
  const startedAt = performance.now();
  const hash = hashed ? createHash('sha256') : undefined;
  let head: string | undefined;
  let bytes = 0;
  let firstByteMs = Number.NaN;

  const take = (received: Buffer) => {
    let body = received;
    if (head === undefined) {
      const end = received.indexOf(END_OF_HEAD);
      if (end < 0) throw new Error('the head did not come in one piece');
      head = received.toString('latin1', 0, end);
      body = received.subarray(end + END_OF_HEAD.length);
    }
    if (body.length > 0 && bytes === 0) firstByteMs = performance.now() - startedAt;
    bytes += body.length;
    hash?.update(body);
  };

  return new Promise((resolve) => {
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    const onread = {
      buffer,
      callback: (count: number) => {
        take(buffer.subarray(0, count));
        if (bytes >= leaveAfterBytes) socket.destroy();
        const aheadMs = (bytes / bytesPerSecond) * 1000 - (performance.now() - startedAt);
        if (aheadMs < SLACK_MS) return true;
        setTimeout(() => socket.resume(), aheadMs);
        return false;
      },
    };
    const socket = connect({ host: hostname, port: Number(port), onread }, () => socket.write(request));
    let error: Error | undefined;
    socket.on('error', (cause) => {
      error = cause;
    });
    socket.on('close', () => {
      const length = Number(/^content-length: (\d+)$/im.exec(head ?? '')?.[1]);
      if (bytes !== length) error ??= new Error(`${bytes} bytes of ${length}`);
      resolve({
        status: Number(head?.split(' ')[1] ?? 0),
        bytes,
        firstByteMs,
        totalMs: performance.now() - startedAt,
        ...(hash === undefined ? {} : { sha256: hash.digest('hex') }),
        ...(error === undefined ? {} : { error: error.message }),
      });
    });
  });
}
