// Many clients that download one address at once, in a process of their own. Their bytes are counted and dropped; a few
// of them are hashed, for more would make this process the limit.

import { createHash } from 'node:crypto';
import { Agent, get } from 'node:http';
import { answerParent } from '../child-calls.ts';

export interface Download {
  readonly url: string;
  readonly fields: Readonly<Record<string, string>>;
  readonly clients: number;
  /** How many of the clients hash what they get. */
  readonly hashed: number;
}

/** What one client got. Times are milliseconds since its request. */
export interface Downloaded {
  readonly status: number;
  readonly bytes: number;
  readonly firstByteMs: number;
  readonly totalMs: number;
  readonly sha256?: string;
  /** Set when it was cut off. */
  readonly error?: string;
}

answerParent<Download>(({ url, fields, clients, hashed }) => {
  const agent = new Agent({ maxSockets: Number.POSITIVE_INFINITY });
  return Promise.all(Array.from({ length: clients }, (_, n) => downloadOnce(url, fields, agent, n < hashed)));
});

function downloadOnce(
  url: string,
  headers: Readonly<Record<string, string>>,
  agent: Agent,
  hashed: boolean,
): Promise<Downloaded> {
  const startedAt = performance.now();
  const hash = hashed ? createHash('sha256') : undefined;
  let status = 0;
  let bytes = 0;
  let firstByteMs = Number.NaN;
  return new Promise((resolve) => {
    const done = (error?: Error) =>
      resolve({
        status,
        bytes,
        firstByteMs,
        totalMs: performance.now() - startedAt,
        ...(hash === undefined ? {} : { sha256: hash.digest('hex') }),
        ...(error === undefined ? {} : { error: error.message }),
      });
    get(url, { headers, agent }, (response) => {
      status = response.statusCode!;
      response.on('data', (chunk: Buffer) => {
        if (bytes === 0) firstByteMs = performance.now() - startedAt;
        bytes += chunk.length;
        hash?.update(chunk);
      });
      response.on('end', () => done()).on('error', done);
    }).on('error', done);
  });
}
