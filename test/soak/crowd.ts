// Clients that are a burden: many at once, who read slowly or not at all, or never say what they want.

import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { get } from '../support/proxy/http-client.ts';

/** Opens `count` connections from that address that send `bytes` and then read nothing; they end with the test. */
export async function burden(
  t: Pick<TestContext, 'after'>,
  port: number,
  count: number,
  bytes: string,
  localAddress = '127.0.0.1',
): Promise<Socket[]> {
  const sockets: Socket[] = [];
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  for (let i = 0; i < count; i += 1) {
    const socket = connect({ port, host: '127.0.0.1', localAddress });
    sockets.push(socket);
    socket.on('error', () => {});
    await new Promise<void>((resolve) => {
      socket.once('connect', resolve);
      socket.once('close', resolve);
    });
    socket.pause();
    if (!socket.destroyed) socket.write(bytes);
  }
  return sockets;
}

export function request(path: string): string {
  return `GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`;
}

/** The slowest but one in a hundred of `count` requests one after the other, milliseconds; throws unless all are 200. */
export async function slowest(url: string, count: number): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < count; i += 1) {
    const answer = await get(url);
    if (answer.status !== 200) throw new Error(`${url}: ${answer.status} ${answer.text()}`);
    times.push(answer.totalMs);
  }
  times.sort((a, b) => a - b);
  return times[Math.floor((times.length - 1) * 0.99)]!;
}

/** The memory that a process occupies, bytes. */
export async function residentBytes(pid: number): Promise<number> {
  const [, kilobytes] = /^VmRSS:\s+(\d+)/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))!;
  return Number(kilobytes) * 1024;
}
