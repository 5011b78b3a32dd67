// A real redis-server of the test's own on a free loopback port: started, frozen, killed and restarted at will.
// Spoken to over a plain socket, so that no client library stands between a test and the server.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../proxy/free-port.ts';

const BINARY = '/usr/bin/redis-server';

/** Why tests that need Redis cannot run here; false when they can (the shape of node:test's `skip`). */
export const redisMissing: string | false = existsSync(BINARY) ? false : `no Redis server at ${BINARY}`;

/** What Redis answers: text and blobs as Buffer, integers as number, errors as `RedisReplyError`. */
export type Reply = Buffer | number | null | RedisReplyError;

export class RedisReplyError {
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

export class RedisServer {
  readonly port: number;
  readonly #settings: readonly string[];
  #process: ChildProcess | undefined;

  private constructor(port: number, settings: readonly string[]) {
    this.port = port;
    this.#settings = settings;
  }

  /** Starts on a free port and resolves when it answers; `settings` are further command line settings. */
  static async start(...settings: string[]): Promise<RedisServer> {
    return RedisServer.startOn(await freePort(), ...settings);
  }

  /** The same on a port that was chosen before, for a server that comes late. */
  static async startOn(port: number, ...settings: string[]): Promise<RedisServer> {
    const server = new RedisServer(port, settings);
    await server.restart();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts again on the same port, empty. */
  async restart(): Promise<void> {
    const flags = ['--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
    const child = spawn(BINARY, [...flags, '--dir', tmpdir(), ...this.#settings], { stdio: 'ignore' });
    this.#process = child;
    for (;;) {
      if (child.exitCode !== null) throw new Error(`redis-server ended with code ${child.exitCode}`);
      if (await this.#answers()) return;
      await sleep(10);
    }
  }

  /** Accepts connections from then on, and says nothing. */
  freeze(): void {
    this.#process?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#process?.kill('SIGCONT');
  }

  /** kill -9, at once. */
  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  /** Sends one command over a connection of its own. */
  async command(...words: readonly (string | Buffer)[]): Promise<Reply> {
    const socket = connect(this.port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      socket.write(Buffer.concat([Buffer.from(`*${words.length}\r\n`), ...words.map(bulkString)]));
      return await readReply(socket);
    } finally {
      socket.destroy();
    }
  }

  async #answers(): Promise<boolean> {
    try {
      return (await this.command('PING')) !== null;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') return false;
      throw error;
    }
  }
}

function bulkString(word: string | Buffer): Buffer {
  const bytes = Buffer.from(word as string);
  return Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')]);
}

/** Reads one reply that is no array: `+text`, `-error`, `:number` or `$length` and bytes. */
async function readReply(socket: Socket): Promise<Reply> {
  let bytes = Buffer.alloc(0);
  for await (const chunk of socket) {
    bytes = Buffer.concat([bytes, chunk as Buffer]);
    const lineEnd = bytes.indexOf('\r\n');
    if (lineEnd < 0) continue;
    const line = bytes.toString('latin1', 1, lineEnd);
    switch (bytes.toString('latin1', 0, 1)) {
      case '+':
        return Buffer.from(line);
      case '-':
        return new RedisReplyError(line);
      case ':':
        return Number(line);
      case '$': {
        if (line === '-1') return null;
        const end = lineEnd + 2 + Number(line);
        if (bytes.length >= end + 2) return bytes.subarray(lineEnd + 2, end);
        break;
      }
      default:
        throw new Error(`an array or no Redis at all: ${line}`);
    }
  }
  throw new Error('Redis closed the connection before it answered');
}
