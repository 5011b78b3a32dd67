// A value that is made of files which are replaced while we run: a certificate and its key, a list of clients. They are
// looked at by polling, because secrets are replaced by renaming folders behind symbolic links, of which watching a file
// says nothing. What cannot be used changes nothing: the last good value stays.

import { type BigIntStats, promises as fs } from 'node:fs';

/** The files that are watched, how they are read, and whom a change or failure is told to. */
export interface ReloadedFilesOptions<T> {
  readonly paths: readonly string[];
  /** Rejects when the files cannot be used as they are. */
  readonly read: () => Promise<T>;
  readonly onChange: (value: T) => void;
  /** Called once for each state of the files in which `read` fails. */
  readonly onFailure: (error: Error) => void;
}

/** Five times faster than anybody may expect a change to count. */
const INTERVAL_MS = 1_000;

/**
 * Reads files again when they change. A reading that fails is told once and tried again; what was read before stays.
 */
export class ReloadedFiles<T> {
  readonly #options: ReloadedFilesOptions<T>;
  #seen: string | undefined;
  /** The state in which reading failed last: told of once, and read again at each look. */
  #failed: string | undefined;
  #looking = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: ReloadedFilesOptions<T>) {
    this.#options = options;
  }

  /** Takes what the files hold now, and whatever they will hold. Resolves after the first look; never rejects. */
  async start(): Promise<void> {
    await this.look();
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.start(), INTERVAL_MS).unref();
  }

  /**
   * Looks at once. `anyway`: reads them although nothing seems to have changed, because what they gave is refused, and
   * some file systems tell of a change late. Resolves when `onChange` has been called, if it has to be; never rejects.
   */
  look(anyway = false): Promise<void> {
    // One after the other:
    // 1. a look reads the file; 2. the file is replaced; 3. another look reads it and ends first;
    // 4. the first one would put what it read in the place of the newer value, and no look would notice.
    this.#looking = this.#looking.then(() => this.#look(anyway));
    return this.#looking;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #look(anyway: boolean): Promise<void> {
    const { paths, read, onChange, onFailure } = this.#options;
    // Before they are read: a change in between is then seen at the next look.
    const state = (await Promise.all(paths.map(stateOf))).join(' ');
    if (this.#closed || (state === this.#seen && !anyway)) return;
    try {
      const value = await read();
      this.#seen = state;
      this.#failed = undefined;
      if (!this.#closed) onChange(value);
    } catch (error) {
      // It may be the reading that failed, and not the file that is bad.
      this.#seen = undefined;
      if (this.#failed === state) return;
      this.#failed = state;
      onFailure(error instanceof Error ? error : new Error(String(error)));
    }
  }
}

async function stateOf(path: string): Promise<string> {
  const named = (error: NodeJS.ErrnoException) => String(error.code);
  const found: BigIntStats | string = await fs.stat(path, { bigint: true }).catch(named);
  return typeof found === 'string' ? found : `${found.ino}-${found.size}-${found.mtimeNs}-${found.ctimeNs}`;
}
