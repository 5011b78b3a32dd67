// Leases among processes that have a data folder and a Redis in common, but no parent: replicas on one volume, or a
// second server by mistake. A file that one of them stores is there for all of them; other nodes have nothing of it.

import * as fs from 'node:fs';
import { hostname } from 'node:os';
import type { LeaseDesk } from '../core/lease.ts';

/** The same in all containers of one running kernel. */
const BOOT_ID = '/proc/sys/kernel/random/boot_id';

/** The desk, for the processes of this folder alone. Throws the system's error when there is no such folder. */
export function leasesOfFolder(desk: LeaseDesk, dataDir: string): LeaseDesk {
  const { dev, ino } = fs.statSync(dataDir, { bigint: true });
  const folder = `${machineId()}:${dev}:${ino}`;
  return { request: (key) => desk.request(`${folder}:${key}`) };
}

function machineId(): string {
  try {
    return fs.readFileSync(BOOT_ID, 'latin1').trim();
  } catch {
    return hostname();
  }
}
