// Where blobs lie below the data folder:
//
//   blobs/v1/<2 hex>/<sha256>        a distribution file or its metadata, by digest
//   bodies/v1/<2 hex>/<sha256(name)> the body of one entry, with its description (owned-body.ts)
//   blobs/v1/tmp/<pid>-<start>-<n>   being written
//   blobs/v1/index.sqlite            what lies here (blob-index.ts)

import * as fs from 'node:fs';
import * as path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { digestOf } from '../../core/digest.ts';
import type { BlobKind } from './blob-index.ts';
import { isOutOfDescriptors } from './open-files.ts';

/** When to look again whether a file descriptor is free. */
const DESCRIPTORS_BACK_MS = 500;

/** The kinds of bodies. */
export const BLOB_KINDS: readonly BlobKind[] = ['file', 'page'];

/** Where each body lies. */
export class BlobFolders {
  readonly temporary: string;
  readonly index: string;
  readonly #roots: Readonly<Record<BlobKind, string>>;

  constructor(dataDir: string) {
    this.#roots = { file: path.join(dataDir, 'blobs', 'v1'), page: path.join(dataDir, 'bodies', 'v1') };
    this.temporary = path.join(this.#roots.file, 'tmp');
    this.index = path.join(this.#roots.file, 'index.sqlite');
  }

  /** For this user only. Throws the system's error when the data folder cannot be used. */
  make(): void {
    fs.mkdirSync(this.temporary, { recursive: true, mode: 0o700 });
    fs.mkdirSync(this.#roots.page, { recursive: true, mode: 0o700 });
  }

  /** The place of a blob: a file by its digest, a page body by the hash of its name. */
  path(kind: BlobKind, name: string): string {
    return path.join(this.#roots[kind], name.slice(0, 2), name);
  }

  /** Under what a page body lies: names may hold anything, paths may not. */
  bodyName(name: string): string {
    return digestOf(name);
  }

  /**
   * The names in one of the 256 folders of a kind; none when there is no such folder. Waits while clients have all file
   * descriptors: who walks through the folders has time.
   */
  async names(kind: BlobKind, shard: string): Promise<string[]> {
    for (;;) {
      try {
        const names = await fs.promises.readdir(path.join(this.#roots[kind], shard));
        return names.filter((name) => /^[0-9a-f]{64}$/.test(name) && name.startsWith(shard));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
        if (!isOutOfDescriptors(error)) throw error;
        await sleep(DESCRIPTORS_BACK_MS, undefined, { ref: false });
      }
    }
  }
}

/** The 256 folders, from `first` (0 to 255) on and round. */
export function* shards(first = 0): Generator<string> {
  for (let i = 0; i < 256; i++) yield ((first + i) % 256).toString(16).padStart(2, '0');
}
