// Liveness and readiness, for orchestrators and load balancers. They say nothing of the configuration (S30), and
// neither depends on an upstream or Redis: a proxy that serves its copies through an outage is ready.

import type { Exchange } from './exchange.ts';
import { sendOwn } from './own-answer.ts';

/** Whether this process can serve now; the reasons are short phrases of ours, without names or addresses. */
export interface Readiness {
  readonly ready: boolean;
  readonly reasons: readonly string[];
}

/** `/-/live`: answering at all is the proof that the event loop turns. */
export function answerLive(exchange: Exchange): void {
  send(exchange, 200, 'text/plain; charset=utf-8', 'ok\n');
}

/** `/-/ready`: 200 or 503 with `{"ready":…,"reasons":[…]}`. A 503 takes this node out of a balancer's rotation. */
export function answerReady(exchange: Exchange, readiness: Readiness): void {
  const { ready, reasons } = readiness;
  send(exchange, ready ? 200 : 503, 'application/json', `${JSON.stringify({ ready, reasons })}\n`);
}

function send(exchange: Exchange, status: number, type: string, text: string): void {
  sendOwn(exchange, { status, fields: ['content-type', type, 'cache-control', 'no-store'], body: Buffer.from(text) });
}
