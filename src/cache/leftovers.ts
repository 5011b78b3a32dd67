// Temporary files of processes that are dead: what they were writing is of no use to anybody.

import * as fs from 'node:fs';
import * as path from 'node:path';

/** A leftover younger than this may belong to a process that has only just started. */
const LEFTOVER_AGE_MS = 60_000;

/** Removes them from `folder`; resolves with the count. `ours` begins the names of this process's own files. */
export async function sweepLeftovers(folder: string, ours: string, now: number): Promise<number> {
  let removed = 0;
  for (const name of await fs.promises.readdir(folder)) {
    if (name.startsWith(ours)) continue;
    const place = path.join(folder, name);
    const stats = await fs.promises.stat(place).catch(() => undefined);
    if (stats === undefined || now - stats.mtimeMs < LEFTOVER_AGE_MS) continue;
    // The same pid with another start is a dead predecessor: containers hand out the same pid again and again.
    const pid = Number.parseInt(name, 10);
    if (pid !== process.pid && isAlive(pid)) continue;
    await fs.promises.rm(place, { force: true, recursive: true });
    removed++;
  }
  return removed;
}

/** Whether a process with this number runs on this machine, or in this container. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
