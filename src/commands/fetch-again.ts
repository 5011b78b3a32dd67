// What `verify` removed is fetched again at once: the stored entries say which requests the bodies belong to, and a
// Wheelkeep of the command's own answers these as for any client. A running server finds what it stores.

import { once } from 'node:events';
import * as fs from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { PURGEABLE_KINDS } from '../admin/cache-keys.ts';
import type { RawMountConfig } from '../config/config.ts';
import type { BlobKind } from '../store/blobs/blob-index.ts';
import type { BlobFolders } from '../store/blobs/folders.ts';
import { decodeRecord } from '../store/entries/record-codec.ts';
import { EmbeddedEntries } from '../store/entries/sqlite-entries.ts';
import { IndexClient, Refused } from './index-client.ts';
import type { Progress } from './progress.ts';

/** One body that is not what it should be: a file by its sha256, a page by the name it is stored under. */
export interface WrongBody {
  readonly kind: BlobKind;
  readonly name: string;
}

/** Where the bodies lay, and what tells who asks for them. */
export interface StoredWorld {
  readonly folders: BlobFolders;
  readonly dataDir: string;
  readonly raw: readonly Pick<RawMountConfig, 'name' | 'origin'>[];
  /** Under which the data of each index is kept, by the index's name: see `indexScope`. */
  readonly scopes: ReadonlyMap<string, string>;
  readonly signal: AbortSignal;
}

/** Keys looked at in one go. */
const BATCH = 500;

/**
 * Paths below our root, without a slash before them, whose answers are made of these bodies. None for what no request
 * names by itself: metadata that was cut out of a wheel, one of several variants of a raw answer. Nor for what belongs to
 * an index that is not configured any more: nobody could give it.
 */
export async function pathsTo(
  bodies: readonly WrongBody[],
  { folders, dataDir, raw, scopes, signal }: StoredWorld,
): Promise<string[]> {
  const names = new Set(bodies.map(({ name }) => name));
  const world = { raw, indexes: new Map([...scopes].map(([name, scope]) => [scope, name])) };
  const nobody = () => {};
  const entries = new EmbeddedEntries({ dataDir, now: Date.now, count: nobody, onDamaged: nobody, onChanged: nobody });
  try {
    const paths: string[] = [];
    for (const kind of PURGEABLE_KINDS) {
      for (let after = ''; !signal.aborted; ) {
        const keys = entries.keys(`${kind}:`, after, BATCH);
        if (keys.length === 0) break;
        after = keys.at(-1)!;
        const wanted = keys.filter((key) => names.has(folders.bodyName(key)) || hasBodyOf(entries.read(key), names));
        paths.push(...wanted.map((key) => pathOfKey(key, world)).filter((path) => path !== undefined));
        // There may be a million of them, and a signal that wants to be heard.
        await turn();
      }
    }
    return paths;
  } finally {
    entries.close();
  }
}

/** Asks for each path in turn. What is refused is left to the next client that wants it. */
export async function askForAll(
  url: string,
  paths: readonly string[],
  signal: AbortSignal,
  progress: Pick<Progress, 'advance'>,
): Promise<void> {
  const client = new IndexClient({ url, connections: 1 });
  once(signal, 'abort').then(
    () => client.close(),
    () => {},
  );
  for (const path of paths) {
    if (signal.aborted) break;
    try {
      progress.advance(1, await client.file(url + path, []));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      progress.advance(1, 0);
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

/** The keys are those of the services (src/index, src/files, src/raw), the paths those of http/routes.ts. */
function pathOfKey(
  key: string,
  { raw, indexes }: { readonly raw: StoredWorld['raw']; readonly indexes: ReadonlyMap<string, string> },
): string | undefined {
  const [, kind, whose = '', rest = ''] = /^(\w+):([^:]+)(?::(.*))?$/s.exec(key) ?? [];
  if (kind === 'raw') {
    const origin = raw.find(({ name }) => name === whose)?.origin;
    return origin !== undefined && rest.startsWith(origin) ? `raw/${whose}/${rest.slice(origin.length)}` : undefined;
  }
  const where = indexes.get(whose);
  if (where === undefined) return undefined;
  switch (kind) {
    case 'page':
      return `${where}/simple/${rest}/`;
    case 'list':
      return `${where}/simple/`;
    case 'json':
      return `${where}/pypi/${rest.replace(':', '/')}/json`;
    case 'provenance':
      return `${where}/${rest}`;
    case 'file':
      return rest.includes('#') ? undefined : `${where}/files/${rest.replace('://', '/')}`;
    default:
      return undefined;
  }
}
