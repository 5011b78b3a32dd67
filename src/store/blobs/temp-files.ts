// Temporary files of processes that are dead: what they were writing is of no use to anybody.
// Whether the process is dead its pid tells, but not to another container on the same folder: so age has a say as well.

import * as fs from 'node:fs';
import * as path from 'node:path';

/** Who writes has written within this time, unless upstream is slower than it may be. */
export const LEFTOVER_AGE_MS = 60_000;
/** Nobody's write takes so long, whoever has the pid by now. */
const ABANDONED_AGE_MS = 3_600_000;

/** Removes them from `folder`; resolves with the count. `ours` begins the names of this process's own files. */
export async function sweepTempFiles(folder: string, ours: string, now: number): Promise<number> {
  let removed = 0;
  for (const name of await fs.promises.readdir(folder)) {
    if (name.startsWith(ours)) continue;
    const place = path.join(folder, name);
    const stats = await fs.promises.stat(place).catch(() => undefined);
    const ageMs = stats === undefined ? 0 : now - stats.mtimeMs;
    // The same pid with another start is a dead predecessor: containers hand out the same pid again and again.
    const pid = Number.parseInt(name, 10);
    const mayBeAlive = pid !== process.pid && isAlive(pid);
    if (ageMs < (mayBeAlive ? ABANDONED_AGE_MS : LEFTOVER_AGE_MS)) continue;
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
