// The client for whom something is being done: so that those who wait for an upstream can take turns by client, and so that
// all waits of one request together have a limit. It goes along with the request instead of through the signatures of
// every layer between the listener and the connections.

import { AsyncLocalStorage } from 'node:async_hooks';

interface RequestContext {
  /** Its name or its address. */
  readonly name: string;
  /** It hears of bytes or of an error by then; milliseconds on the monotonic clock. */
  readonly firstByteBy: number;
}

const asking = new AsyncLocalStorage<RequestContext>();
const NOBODY: RequestContext = { name: '', firstByteBy: Number.POSITIVE_INFINITY };

/** Does the work for this client: costs half a microsecond, so that what is answered from memory need not enter it. */
export function asClient<T>(client: RequestContext, work: () => T): T {
  return asking.run(client, work);
}

/** Does work for which the client waits longer, or less long, than for others. */
export function withFirstByteBy<T>(firstByteBy: number, work: () => T): T {
  return asking.run({ name: requestContext(), firstByteBy }, work);
}

/** The name or the address of the client; empty for what nobody asked for, which takes its turn like a client. */
export function requestContext(): string {
  return (asking.getStore() ?? NOBODY).name;
}

/** How long the client waits for the first byte from now on, at most `mostMs`; not positive when its time is over. */
export function firstByteWithin(mostMs: number): number {
  return Math.min(mostMs, (asking.getStore() ?? NOBODY).firstByteBy - performance.now());
}
