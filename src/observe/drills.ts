// How the last drill of each lock file ended: `wheelkeep drill` writes it into the data folder, the servers on it tell it
// on, and it outlives both.

import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** How the last drill of a lock file ended. */
export interface DrillResult {
  /** The lock file as it was named to the drill. */
  readonly lock: string;
  /** The share of what an install asks for that would be served, 0 to 1; 0 when a live install failed. */
  readonly readiness: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** A metric's labels must be bounded: of more lock files those drilled last count. */
const MOST_LOCKS = 50;
const NAME = /^[0-9a-f]{64}\.json$/;

/** Rejects with the disk's error. */
export async function keepDrill(dataDir: string, result: DrillResult): Promise<void> {
  const folder = folderOf(dataDir);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const place = join(folder, `${createHash('sha256').update(result.lock).digest('hex')}.json`);
  const temporary = `${place}.${process.pid}`;
  await writeFile(temporary, JSON.stringify(result), { mode: 0o600 });
  await rename(temporary, place);
  for (const { path } of (await newestFiles(folder)).slice(MOST_LOCKS)) await rm(path, { force: true });
}

/** The last drills, newest first; what cannot be read counts as none. */
export async function readDrills(dataDir: string): Promise<DrillResult[]> {
  const files = (await newestFiles(folderOf(dataDir))).slice(0, MOST_LOCKS);
  return (await Promise.all(files.map(({ path }) => resultIn(path)))).flatMap((result) => result ?? []);
}

function folderOf(dataDir: string): string {
  return join(dataDir, 'drills', 'v1');
}

async function newestFiles(folder: string): Promise<{ readonly path: string; readonly time: number }[]> {
  const names = await readdir(folder).catch(() => []);
  const paths = names.filter((name) => NAME.test(name)).map((name) => join(folder, name));
  const files = await Promise.all(
    // Another drill may take one away meanwhile.
    paths.map((path) =>
      stat(path).then(
        ({ mtimeMs }) => ({ path, time: mtimeMs }),
        () => undefined,
      ),
    ),
  );
  return files.filter((file) => file !== undefined).sort((a, b) => b.time - a.time);
}

async function resultIn(path: string): Promise<DrillResult | undefined> {
  try {
    const { lock, readiness, at } = JSON.parse(await readFile(path, 'utf8')) as Partial<DrillResult>;
    const isWhole = typeof lock === 'string' && Number.isFinite(readiness) && Number.isFinite(at);
    return isWhole ? { lock, readiness: readiness!, at: at! } : undefined;
  } catch {
    // Damaged or gone: the next drill writes it anew.
    return undefined;
  }
}
