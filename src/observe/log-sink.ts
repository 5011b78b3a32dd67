// Where log lines go: collected and handed over every 100 ms or 64 KB, so that a request pays for a string append.
// The event loop never waits for a slow reader: beyond 1 MB of lines that nobody reads, lines are dropped and counted.

import { write, writeSync } from 'node:fs';

/** What takes whole lines: standard output, or a test. */
export interface LineWriter {
  /** Takes the lines at once; false when there is no room for them. Never blocks. */
  write(lines: string): boolean;
  /** Writes what it still holds before it returns; for the end of the process. */
  flush(): void;
}

const FLUSH_MS = 100;
const FLUSH_CHARACTERS = 64 * 1024;

/** Collects lines in order and hands them to a writer. */
export class LogSink {
  readonly #writer: LineWriter;
  #waiting = '';
  #lines = 0;
  #timer: NodeJS.Timeout | undefined;
  #dropped = 0;

  constructor(writer: LineWriter) {
    this.#writer = writer;
  }

  /** Lines given up so far because their reader is too slow or gone. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Adds one line, which ends in its newline. */
  write(line: string): void {
    this.#waiting += line;
    this.#lines++;
    if (this.#waiting.length >= FLUSH_CHARACTERS) this.handOver();
    else if (this.#timer === undefined) this.#timer = setTimeout(() => this.handOver(), FLUSH_MS).unref();
  }

  /** Gives the collected lines to the writer now; warnings and errors do not wait for company. */
  handOver(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#lines === 0) return;
    if (!this.#writer.write(this.#waiting)) this.#dropped += this.#lines;
    this.#waiting = '';
    this.#lines = 0;
  }

  /** Writes everything before it returns: `process.on('exit', () => sink.flush())`. */
  flush(): void {
    this.handOver();
    this.#writer.flush();
  }
}

// Lines to a file descriptor, by the thread pool, one write at a time. A reader that is slow costs one of the pool's
// threads and at most 1 MB of lines; one that is gone costs nothing. (pino's own destination would do, but its final
// flush tries for ever when the reader has gone, and such a process never ends.)

const MOST_WAITING_CHARACTERS = 1024 * 1024;
/** A descriptor that does not block says EAGAIN while its reader is behind: tried again after this. */
const RETRY_MS = 20;
/** The final flush waits this long for a reader that is behind, then gives up what is left. */
const FINAL_TRIES = 50;

/** Writes to `descriptor` without ever making the event loop wait, except in `flush()`. */
export class DescriptorWriter implements LineWriter {
  readonly #descriptor: number;
  readonly #mostBytes: number;
  #waiting = '';
  #writing = false;
  #gone = false;

  /** `mostBytes` bounds what is written at once; longer lines still go in one piece. */
  constructor(descriptor: number, mostBytes = Number.POSITIVE_INFINITY) {
    this.#descriptor = descriptor;
    this.#mostBytes = mostBytes;
  }

  write(lines: string): boolean {
    if (this.#gone || this.#waiting.length + lines.length > MOST_WAITING_CHARACTERS) return false;
    this.#waiting += lines;
    if (!this.#writing) this.#writeNext();
    return true;
  }

  /** Blocks while a blocking descriptor's reader is behind; waits at most a second for one that does not block. */
  flush(): void {
    // Time for the write that is under way, so that the lines stay in order.
    if (this.#writing) sleep(RETRY_MS);
    let rest = this.#takeWaiting();
    for (let tries = 0; rest.length > 0 && !this.#gone && tries < FINAL_TRIES; ) {
      try {
        rest = rest.subarray(writeSync(this.#descriptor, rest));
        if (rest.length === 0) rest = this.#takeWaiting();
      } catch (error) {
        if (!isBehind(error)) this.#gone = true;
        tries++;
        sleep(RETRY_MS);
      }
    }
  }

  #writeNext(): void {
    if (this.#waiting === '') return;
    this.#writing = true;
    this.#writeChunk(this.#takeWaiting());
  }

  /** As many whole lines as may be written at once, one at least. */
  #takeWaiting(): Buffer {
    const text = this.#waiting;
    let end = text.length;
    if (this.#mostBytes !== Number.POSITIVE_INFINITY && Buffer.byteLength(text) > this.#mostBytes) {
      end = text.indexOf('\n') + 1;
      for (let bytes = Buffer.byteLength(text.slice(0, end)); end < text.length; ) {
        const next = text.indexOf('\n', end) + 1;
        bytes += Buffer.byteLength(text.slice(end, next));
        if (next === 0 || bytes > this.#mostBytes) break;
        end = next;
      }
    }
    this.#waiting = text.slice(end);
    return Buffer.from(text.slice(0, end));
  }

  #writeChunk(chunk: Buffer): void {
    write(this.#descriptor, chunk, (error, written) => {
      if (error !== null && isBehind(error)) {
        setTimeout(() => this.#writeChunk(chunk), RETRY_MS);
      } else if (error !== null) {
        // Nobody reads any more (EPIPE), or the disk is full: the log is lost, the work goes on.
        this.#gone = error.code === 'EPIPE' || error.code === 'EBADF';
        this.#writing = false;
      } else if (written < chunk.length) {
        this.#writeChunk(chunk.subarray(written));
      } else {
        this.#writing = false;
        this.#writeNext();
      }
    });
  }
}

function isBehind(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EAGAIN' || error.code === 'EBUSY');
}

function sleep(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}
