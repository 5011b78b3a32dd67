// Where log lines go: collected and handed over every 100 ms or 64 KB, so that a request pays for a string append.
// The event loop never waits for a slow reader: beyond 1 MB of lines that nobody reads, lines are dropped and counted.

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
