// What `verify` removed is fetched again at once: the stored entries say which requests the bodies belong to, and a
// Wheelkeep of the command's own answers these as for any client. A running server finds what it stores.

import { once } from 'node:events';
import * as fs from 'node:fs';
import type { BlobFolders } from '../cache/blob-folders.ts';
import type { BlobKind } from '../cache/blob-index.ts';
import { EmbeddedEntries } from '../cache/embedded-entries.ts';
import { decodeRecord } from '../cache/record-codec.ts';
import { IndexClient, Refused } from './index-client.ts';

/** One body that is not what it should be: a file by its sha256, a page by the name it is stored under. */
export interface WrongBody {
  readonly kind: BlobKind;
  readonly name: string;
}

/** Keys looked at in one go. */
const BATCH = 500;

/** Paths below our root, without a slash before them, whose answers are made of these bodies; files and pages only. */
export function pathsTo(bodies: readonly WrongBody[], folders: BlobFolders, dataDir: string): string[] {
  const names = new Set(bodies.map(({ name }) => name));
  const nobody = () => {};
  const entries = new EmbeddedEntries({ dataDir, now: Date.now, count: nobody, onDamaged: nobody, onChanged: nobody });
  try {
    const paths: string[] = [];
    for (const prefix of ['file:', 'page:']) {
      for (
        let keys = entries.keys(prefix, '', BATCH);
        keys.length > 0;
        keys = entries.keys(prefix, keys.at(-1)!, BATCH)
      ) {
        const wanted = keys.filter((key) => names.has(folders.bodyName(key)) || hasBodyOf(entries.read(key), names));
        paths.push(...wanted.map(pathOfKey).filter((path) => path !== undefined));
      }
    }
    return paths;
  } finally {
    entries.close();
  }
}

/** Asks for each path in turn. What is refused is left to the next client that wants it. */
export async function askForAll(url: string, paths: readonly string[], signal: AbortSignal): Promise<void> {
  const client = new IndexClient({ url, connections: 1 });
  once(signal, 'abort').then(
    () => client.close(),
    () => {},
  );
  for (const path of paths) {
    if (signal.aborted) break;
    try {
      await client.file(url + path, []);
      // The end of a large file is sent a moment before the file is in its place; who asks next waits for that.
      await client.file(url + path, []);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
    }
  }
  client.close();
}

/** How many of the bodies are stored (again). */
export function storedOf(bodies: readonly WrongBody[], folders: BlobFolders): number {
  return bodies.filter(({ kind, name }) => fs.existsSync(folders.path(kind, name))).length;
}

function hasBodyOf(text: string | undefined, names: ReadonlySet<string>): boolean {
  const decoded = text === undefined ? undefined : decodeRecord(text);
  return decoded?.kind === 'record' && decoded.record.variants.some(({ body }) => body && names.has(body.digest));
}

/** Undefined for what no request names by itself: metadata that was cut out of a wheel. */
function pathOfKey(key: string): string | undefined {
  const [, kind, index, rest] = /^(file|page):([^:]+):(.*)$/s.exec(key) ?? [];
  if (rest === undefined || rest.includes('#')) return undefined;
  return kind === 'page' ? `${index}/simple/${rest}/` : `${index}/files/${rest.replace('://', '/')}`;
}
