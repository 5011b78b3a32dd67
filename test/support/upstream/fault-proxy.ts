// A user-space TCP proxy in front of any port (Redis, an upstream, ourselves) that spoils what passes through it.
// The kernel here offers no traffic shaping, so delay, loss of peers and slow lines are played by this.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** How the line behaves; every field may change while connections are open. */
export interface Line {
  /** Delay of every piece in either direction, milliseconds. */
  readonly latencyMs: number;
  /** Rate in either direction. */
  readonly bytesPerSecond: number;
  /** Connections stay open and new ones are taken, but nothing passes until the hole is closed; then all of it does. */
  readonly blackhole: boolean;
  /** A connection is reset once this many bytes went from the target to the client. */
  readonly cutAfterBytes: number;
}

const GOOD_LINE: Line = { latencyMs: 0, bytesPerSecond: Infinity, blackhole: false, cutAfterBytes: Infinity };

/** Pieces of a rate-limited line are at most this long, so that the rate is even. */
const SLICE_SECONDS = 0.02;
/** As much as may be under way with latency before the sender is paused. */
const IN_FLIGHT_BYTES = 1 << 20;

export class FaultProxy {
  readonly #server: Server;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #line = GOOD_LINE;
  #healed = Promise.withResolvers<void>();
  #port = 0;
  #accepted = 0;

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#target = target;
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#accept(client));
  }

  /** Starts in front of `port` on `host`, with a good line. */
  static async start({ port, host = '127.0.0.1' }: { port: number; host?: string }): Promise<FaultProxy> {
    const proxy = new FaultProxy({ host, port });
    await proxy.accept();
    return proxy;
  }

  get port(): number {
    return this.#port;
  }

  /** Connections that were taken since the start. */
  get accepted(): number {
    return this.#accepted;
  }

  get openConnections(): number {
    return this.#pairs.size;
  }

  /** Changes the line from now on, for open connections too. */
  set(change: Partial<Line>): void {
    this.#line = { ...this.#line, ...change };
    if (!this.#line.blackhole) this.#release();
  }

  /** A good line again. */
  heal(): void {
    this.set(GOOD_LINE);
  }

  /** Refuses new connections; open ones live on. */
  refuse(): void {
    // The port is free at once; the open connections only delay the server's 'close' event, which nobody awaits here.
    this.#server.close();
  }

  /** Takes connections again, on the same port. */
  async accept(): Promise<void> {
    if (this.#server.listening) return;
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Resets every open connection on both sides. */
  killAll(): void {
    for (const pair of this.#pairs) for (const socket of pair) reset(socket);
  }

  async close(): Promise<void> {
    const closed = this.#server.listening ? once(this.#server, 'close') : undefined;
    this.#server.close();
    this.killAll();
    this.#release();
    await closed;
  }

  #release(): void {
    this.#healed.resolve();
    this.#healed = Promise.withResolvers();
  }

  #accept(client: Socket): void {
    this.#accepted += 1;
    const target = connect({ ...this.#target, allowHalfOpen: true });
    const pair = [client, target] as const;
    this.#pairs.add(pair);
    for (const socket of pair) {
      socket.setNoDelay(true);
      // An end that breaks takes the other one with it; there is nobody to report to.
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#pairs.delete(pair);
        for (const other of pair) other.destroy();
      });
    }
    this.#pump(client, target, () => 0);
    let received = 0;
    this.#pump(target, client, (bytes) => {
      received += bytes;
      return received;
    });
  }

  /** Passes what `from` sends on to `to`, in order; `count` tells how much has passed that counts for the cut. */
  #pump(from: Socket, to: Socket, count: (bytes: number) => number): void {
    let inFlight = 0;
    let tail = Promise.resolve();
    from.on('data', (chunk: Buffer) => {
      inFlight += chunk.length;
      if (inFlight > IN_FLIGHT_BYTES) from.pause();
      const due = performance.now() + this.#line.latencyMs;
      tail = tail.then(async () => {
        await this.#pass(chunk, due, to, count);
        inFlight -= chunk.length;
        if (inFlight <= IN_FLIGHT_BYTES) from.resume();
      });
    });
    from.on('end', () => {
      tail = tail.then(() => {
        to.end();
      });
    });
  }

  async #pass(chunk: Buffer, due: number, to: Socket, count: (bytes: number) => number): Promise<void> {
    await sleep(Math.max(0, due - performance.now()), undefined, { ref: false });
    for (let sent = 0; sent < chunk.length && !to.destroyed; ) {
      while (this.#line.blackhole && !to.destroyed) await this.#healed.promise;
      const { bytesPerSecond, cutAfterBytes } = this.#line;
      const slice = chunk.subarray(sent, sent + Math.max(1, Math.floor(bytesPerSecond * SLICE_SECONDS)));
      const excess = count(slice.length) - cutAfterBytes;
      const allowed = excess > 0 ? slice.subarray(0, Math.max(0, slice.length - excess)) : slice;
      await written(to, allowed);
      if (excess > 0) {
        reset(to);
        return;
      }
      sent += slice.length;
      if (bytesPerSecond !== Infinity) await sleep((slice.length / bytesPerSecond) * 1000, undefined, { ref: false });
    }
  }
}

/** Node cannot reset a socket that is already being shut down: it would leak the handle. */
function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

async function written(socket: Socket, bytes: Buffer): Promise<void> {
  if (socket.destroyed || bytes.length === 0) return;
  await new Promise<void>((resolve) => {
    // The callback comes with an error when the socket breaks first: then there is nothing left to wait for either.
    socket.write(bytes, () => resolve());
  });
}
