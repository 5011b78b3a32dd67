// Syncs that nobody waits for. A body that takes no other's place may be renamed before it is on the disk: a process
// that is killed loses nothing of it, for the system has its bytes, and a power cut within these milliseconds loses
// only what was not here a moment ago. A name without its bytes is found out by their hash and is a miss (F56).

import type { FileHandle } from 'node:fs/promises';

export interface SyncBehindOptions {
  readonly onFailure: (error: NodeJS.ErrnoException) => void;
}

/** With more than this under way the disk is slower than what comes in, and who writes waits for it. */
const MOST_UNDER_WAY = 32;

export class SyncBehind {
  readonly #options: SyncBehindOptions;
  #underWay = 0;

  constructor(options: SyncBehindOptions) {
    this.#options = options;
  }

  /** `done` resolves, never rejects, when the handle may be closed; `accepted` when the writer may go on. */
  sync(handle: FileHandle): { readonly done: Promise<void>; readonly accepted: Promise<void> } {
    this.#underWay++;
    const done = handle
      .datasync()
      .catch(this.#options.onFailure)
      .finally(() => {
        this.#underWay--;
      });
    return { done, accepted: this.#underWay > MOST_UNDER_WAY ? done : Promise.resolve() };
  }
}
