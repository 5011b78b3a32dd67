// How large the head of an answer may be, interim heads (1xx) included, measured before undici's parser sees the bytes: that
// one makes an error with its stack for every line beyond its own limit, half a second of work for one chunk of short
// lines.

import type { Socket } from 'node:net';

/**
 * Bytes behind the head that may be read in a row without any byte of the body: chunk sizes, chunk extensions and
 * trailers (RFC 9112 7.1), of which nobody needs more.
 */
const MAX_FRAMING_BYTES = 16 * 1024;
/** The head, and the framing with what one read can add to it, stay below this. */
export const PARSER_LIMIT_BYTES = 1024 * 1024;

/** Nobody needs more, and everything here is kept in memory. */
export const MAX_HEAD_BYTES = 64 * 1024;
export const MAX_FIELDS = 256;
/** With the first lines of some interim heads. */
const MAX_LINES = MAX_FIELDS + 32;

const LINE_FEED = 0x0a;
const ONE = 0x31;
/** Where the status stands in `HTTP/1.1 200`. */
const STATUS_AT = 9;

export class HeadLimit {
  #awaited = false;
  /** Of what was awaited, all heads together. */
  #bytes = 0;
  #lines = 0;
  /** Of the line that is arriving. */
  #lineBytes = 0;
  #isFirstLine = true;
  #isInterim = false;
  /** Read since the last byte of the body. */
  #framingBytes = 0;

  /** Whatever is read from the socket from now on goes through here. `onExceeded` has to destroy it. */
  constructor(socket: Socket, onExceeded: () => void) {
    const read = socket.read.bind(socket);
    socket.read = (size?: number) => {
      const chunk: Buffer | null = read(size);
      if (chunk === null || (this.#awaited ? this.#isWithin(chunk) : this.#isBodyOrShort(chunk))) return chunk;
      this.#awaited = false;
      onExceeded();
      return null;
    };
  }

  /** A request was sent. */
  awaitHead(): void {
    this.#awaited = true;
    this.#bytes = 0;
    this.#lines = 0;
    this.#framingBytes = 0;
    this.#beginHead();
  }

  /** The parser found bytes of the body in what was read. */
  bodyArrived(): void {
    this.#framingBytes = 0;
  }

  /** What this chunk holds is not known yet: those before it are judged. */
  #isBodyOrShort(chunk: Buffer): boolean {
    const isWithin = this.#framingBytes <= MAX_FRAMING_BYTES;
    this.#framingBytes += chunk.length;
    return isWithin;
  }

  #isWithin(chunk: Buffer): boolean {
    for (let at = 0; this.#awaited; ) {
      const found = chunk.indexOf(LINE_FEED, at);
      const end = found === -1 ? chunk.length : found + 1;
      const status = at + STATUS_AT - this.#lineBytes;
      if (this.#isFirstLine && status >= at && status < end) this.#isInterim = chunk[status] === ONE;
      this.#bytes += end - at;
      this.#lineBytes += end - at;
      if (this.#bytes > MAX_HEAD_BYTES || this.#lines > MAX_LINES) return false;
      if (found === -1) return true;
      this.#endLine();
      at = end;
    }
    return true;
  }

  #endLine(): void {
    const isBlank = this.#lineBytes <= 2;
    this.#lines += 1;
    this.#lineBytes = 0;
    if (!isBlank) this.#isFirstLine = false;
    else if (!this.#isFirstLine && this.#isInterim) this.#beginHead();
    else if (!this.#isFirstLine) this.#awaited = false;
  }

  #beginHead(): void {
    this.#lineBytes = 0;
    this.#isFirstLine = true;
    this.#isInterim = false;
  }
}
