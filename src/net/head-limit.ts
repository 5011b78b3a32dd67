// The heads of an answer, interim ones (1xx) included, before undici's parser sees them. They may be so large: that parser
// makes an error with its stack for every line beyond its own limit, half a second of work for one chunk of short lines.
// And what is odd in them without a doubt about its meaning is mended, for that parser ends the connection over it.

import type { Socket } from 'node:net';
import { withOneLength } from './repeated-lines.ts';

/**
 * Bytes behind the head that may be read in a row without any byte of the body: chunk sizes, chunk extensions and
 * trailers (RFC 9112 7.1), of which nobody needs more.
 */
const MAX_FRAMING_BYTES = 16 * 1024;
/** The head, and the framing with what one read can add to it, stay below this. */
export const PARSER_LIMIT_BYTES = 1024 * 1024;

/** Nobody needs more, and everything here is kept in memory. */
export const MAX_HEAD_BYTES = 64 * 1024;
/** Fields of one head. */
export const MAX_FIELDS = 256;
/** With the first lines of some interim heads. */
const MAX_LINES = MAX_FIELDS + 32;

const LINE_FEED = 0x0a;
const ONE = 0x31;
/** Where the status stands in `HTTP/1.1 200`. */
const STATUS_AT = 9;
/** RFC 9110 15.2: a client has to take interim answers that it did not ask for; this one says nothing else. */
const CONTINUE = /^[\r\n]*HTTP\/1\.[01] 100[ \r\n]/;
/** What an answer begins with; the parser refuses anything else at once. */
const BEGINNING = 'HTTP/';

/** Reads heads from a socket before the parser does. */
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
  /** What has come of the head that is arriving. */
  #pieces: Buffer[] = [];
  #isHttp = false;

  /**
   * Whatever is read from the socket from now on goes through here: a head when it is whole, everything else as it comes.
   * `onExceeded` has to destroy the socket.
   */
  constructor(socket: Socket, onExceeded: () => void) {
    const read = socket.read.bind(socket);
    socket.read = (size?: number) => {
      for (;;) {
        const chunk: Buffer | null = read(size);
        if (chunk === null || (!this.#awaited && this.#isBodyOrShort(chunk))) return chunk;
        const ready = this.#awaited ? this.#take(chunk) : 'exceeded';
        if (ready === 'exceeded') {
          this.#awaited = false;
          onExceeded();
          return null;
        }
        if (ready.length > 0) return ready;
      }
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

  /** What may be read of all that has come. */
  #take(chunk: Buffer): Buffer | 'exceeded' {
    const ready: Buffer[] = [];
    let from = 0;
    for (let at = 0; this.#awaited; ) {
      const found = chunk.indexOf(LINE_FEED, at);
      const end = found === -1 ? chunk.length : found + 1;
      const status = at + STATUS_AT - this.#lineBytes;
      if (this.#isFirstLine && status >= at && status < end) this.#isInterim = chunk[status] === ONE;
      this.#bytes += end - at;
      this.#lineBytes += end - at;
      if (this.#bytes > MAX_HEAD_BYTES || this.#lines > MAX_LINES) return 'exceeded';
      if (found === -1) {
        this.#pieces.push(chunk.subarray(from));
        from = chunk.length;
        if (!this.#couldBeHttp()) {
          this.#awaited = false;
          ready.push(...this.#pieces);
        }
        break;
      }
      if (this.#endLine()) {
        this.#pieces.push(chunk.subarray(from, end));
        from = end;
        const head = Buffer.concat(this.#pieces);
        if (!this.#isInterim || !CONTINUE.test(head.toString('latin1', 0, 64))) ready.push(withOneLength(head));
        if (this.#isInterim) this.#beginHead();
        else this.#awaited = false;
      }
      at = end;
    }
    if (from < chunk.length) ready.push(chunk.subarray(from));
    return ready.length === 1 ? ready[0]! : Buffer.concat(ready);
  }

  /** Whether that was the blank line at the end of a head. */
  #endLine(): boolean {
    const isBlank = this.#lineBytes <= 2;
    this.#lines += 1;
    this.#lineBytes = 0;
    if (!isBlank) this.#isFirstLine = false;
    return isBlank && !this.#isFirstLine;
  }

  /** What begins in another way is not waited for: the parser has to refuse it. */
  #couldBeHttp(): boolean {
    if (this.#isHttp) return true;
    const text = Buffer.concat(this.#pieces)
      .toString('latin1', 0, 64)
      .replace(/^[\r\n]+/, '');
    this.#isHttp = text.startsWith(BEGINNING);
    return this.#isHttp || BEGINNING.startsWith(text);
  }

  #beginHead(): void {
    this.#pieces = [];
    this.#isHttp = false;
    this.#lineBytes = 0;
    this.#isFirstLine = true;
    this.#isInterim = false;
  }
}
