// Takes bodies that `verify` found wrong away: from the disk, and from the account that the servers of the folder keep.

import * as fs from 'node:fs';
import { BlobIndex, type BlobKind } from '../store/blobs/blob-index.ts';
import type { BlobFolders } from '../store/blobs/folders.ts';
import type { WrongBody } from './fetch-again.ts';

export class Removal {
  readonly #folders: BlobFolders;
  readonly #keep: boolean;
  readonly #refusals = new Map<string, string>();
  #index: BlobIndex | undefined;

  /** `keep`: nothing is taken away. */
  constructor(folders: BlobFolders, keep: boolean) {
    this.#folders = folders;
    this.#keep = keep;
  }

  readonly remove = async (kind: BlobKind, name: string): Promise<void> => {
    if (this.#keep) return;
    try {
      await fs.promises.rm(this.#folders.path(kind, name), { force: true, recursive: true });
    } catch (error) {
      this.#refusals.set(name, (error as NodeJS.ErrnoException).code ?? String(error));
      return;
    }
    this.#index ??= BlobIndex.open({ path: this.#folders.index, now: Date.now });
    this.#index.removed(kind, name);
  };

  took({ name }: WrongBody): boolean {
    return !this.#keep && !this.#refusals.has(name);
  }

  became(body: WrongBody): string {
    if (this.took(body)) return 'was wrong and is removed';
    const refusal = this.#refusals.get(body.name);
    return refusal === undefined ? 'is wrong' : `is wrong and cannot be removed (${refusal})`;
  }

  close(): void {
    this.#index?.close(false);
  }
}
