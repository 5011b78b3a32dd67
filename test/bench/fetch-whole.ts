// One request, its whole answer as it came over the wire, and when it came.

import { Agent, get } from 'node:http';

export interface Whole {
  readonly status: number;
  readonly fields: Readonly<Record<string, string>>;
  /** Still coded. */
  readonly body: Buffer;
  /** Milliseconds from the request to the first byte of the body. */
  readonly firstByteMs: number;
  /** Milliseconds from the request to the last byte of the body. */
  readonly totalMs: number;
}

/** Keeps connections, as installers do: a new connection is no part of what is compared. */
const agent = new Agent({ keepAlive: true, timeout: 60_000 });

export function fetchWhole(url: string, fields: Readonly<Record<string, string>> = {}): Promise<Whole> {
  const startedAt = performance.now();
  return new Promise((resolve, reject) => {
    get(url, { headers: fields, agent }, (response) => {
      const chunks: Buffer[] = [];
      let firstByteMs = Number.NaN;
      response.on('data', (chunk: Buffer) => {
        if (chunks.length === 0) firstByteMs = performance.now() - startedAt;
        chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode!,
          fields: response.headers as Record<string, string>,
          body: Buffer.concat(chunks),
          firstByteMs,
          totalMs: performance.now() - startedAt,
        }),
      );
    }).on('error', reject);
  });
}
