// A port whose SYNs are dropped: the connection neither opens nor is refused, as behind a firewall that swallows it.
// The listener's thread is blocked and accepts nobody, and its queue of one is filled here.

import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

const LISTENER = `
  const { parentPort, workerData } = require('node:worker_threads');
  const server = require('node:net').createServer().listen({ host: '127.0.0.1', port: workerData, backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
  });
`;

/** Longer than any connection to loopback takes: one that is still pending then was not taken. */
const PENDING_MS = 200;

/** `wanted`: the port to take, which must be free; 0 takes any. */
export async function deafPort(wanted = 0): Promise<{ readonly port: number; close(): Promise<void> }> {
  const worker = new Worker(LISTENER, { eval: true, workerData: wanted });
  const port = await new Promise<number>((resolve) => {
    worker.once('message', resolve);
  });
  const fillers: Socket[] = [];
  for (let full = false; !full; ) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    fillers.push(socket);
    const connected = new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
    });
    full = !(await Promise.race([connected, sleep(PENDING_MS, false)]));
  }
  return {
    port,
    close: async () => {
      for (const socket of fillers) socket.destroy();
      await worker.terminate();
    },
  };
}
