// Liveness and readiness, for orchestrators and load balancers. They say nothing of the configuration (S30), and
// neither depends on an upstream or Redis: a proxy that serves its copies through an outage is ready.

import type { IncomingMessage, ServerResponse } from 'node:http';

/** Whether this process can serve now; the reasons are short phrases of ours, without names or addresses. */
export interface Readiness {
  readonly ready: boolean;
  readonly reasons: readonly string[];
}

/** `/-/live`: answering at all is the proof that the event loop turns. */
export function answerLive(request: IncomingMessage, response: ServerResponse): void {
  send(request, response, 200, 'text/plain; charset=utf-8', 'ok\n');
}

/** `/-/ready`: 200 or 503 with `{"ready":…,"reasons":[…]}`. A 503 takes this node out of a balancer's rotation. */
export function answerReady(request: IncomingMessage, response: ServerResponse, readiness: Readiness): void {
  const { ready, reasons } = readiness;
  send(request, response, ready ? 200 : 503, 'application/json', `${JSON.stringify({ ready, reasons })}\n`);
}

function send(request: IncomingMessage, response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(text),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  });
  response.end(request.method === 'HEAD' ? undefined : text);
}
