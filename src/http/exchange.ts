// One request on its way through: what was asked, and what is noted for the access log and the metrics.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Kind, Outcome } from '../observe/metric-table.ts';

export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The request target as it came; `request.url` is what is left of it below the base path. */
  readonly target: string;
  /** Milliseconds on the monotonic clock. */
  readonly startedAt: number;
  kind: Kind = 'other';
  outcome: Outcome = 'hit';
  /** Bytes of the body handed to the connection. */
  bytes = 0;
  /** Milliseconds on the monotonic clock; 0 while nothing was sent. */
  firstByteAt = 0;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.request = request;
    this.response = response;
    this.target = request.url ?? '';
    this.startedAt = performance.now();
  }

  get isHead(): boolean {
    return this.request.method === 'HEAD';
  }

  /** Sends the head. `fields` is a flat list. */
  head(status: number, fields: readonly string[]): void {
    this.firstByteAt = performance.now();
    // Node takes a flat list as it is; its type only allows a mutable one.
    this.response.writeHead(status, fields as string[]);
  }

  /** Sends a whole answer; a HEAD gets the head alone. */
  send(status: number, fields: readonly string[], body?: Buffer): void {
    this.head(status, fields);
    if (body === undefined || this.isHead) this.response.end();
    else {
      this.bytes = body.length;
      this.response.end(body);
    }
  }
}
