// The client for whom something is being done, so that those who wait for an upstream can take turns by client. It goes
// along with the request instead of through the signatures of every layer between the listener and the connections.

import { AsyncLocalStorage } from 'node:async_hooks';

const asking = new AsyncLocalStorage<string>();

/** Does the work for this client: costs half a microsecond, so that what is answered from memory need not enter it. */
export function asClient<T>(client: string, work: () => T): T {
  return asking.run(client, work);
}

/** The name or the address of the client; empty for what nobody asked for, which takes its turn like a client. */
export function askingClient(): string {
  return asking.getStore() ?? '';
}
