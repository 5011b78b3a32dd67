// Looks into a Wheelkeep of several processes from outside: who its workers are, and whether all of them serve.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { until } from '../clock/until.ts';
import { type SpawnedProxy, type SpawnOptions, spawnProxy } from './spawned-proxy.ts';

export interface Team extends SpawnedProxy {
  /** The workers that live now. */
  workers(): number[];
  /** Resolves when that many times all workers were said to serve. */
  allServe(times: number): Promise<void>;
}

/** Starts Wheelkeep with so many workers; resolves when all serve. */
export async function spawnTeam(count: number, options: SpawnOptions): Promise<Team> {
  const env = { ...options.env, WHEELKEEP_WORKERS: String(count) };
  const proxy = await spawnProxy({ ...options, env });
  const team: Team = {
    ...proxy,
    workers: () => childrenOf(proxy.pid),
    allServe: (times) =>
      until(() => proxy.output().split(`all ${count} workers serve`).length > times, 'all workers serve'),
  };
  await team.allServe(1);
  return team;
}

/** The processes that this one started and that still run. */
export function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
}

/** Whether the process is gone, or dead and not yet collected by its parent. */
export function hasEnded(pid: number): boolean {
  try {
    return / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/\(.*\)/, ''));
  } catch {
    return true;
  }
}

/** Which of the processes has a connection to that local port. */
export function connectedTo(port: number, pids: readonly number[]): number {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  // proc(5): local address, remote address, state (01 is established), …, inode in the tenth column.
  const inodes = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , remote, state]) => remote?.endsWith(`:${wanted}`) && state === '01')
    .map((columns) => `socket:[${columns[9]}]`);
  const owner = pids.find((pid) =>
    readdirSync(`/proc/${pid}/fd`).some((fd) => inodes.includes(readlinkSync(`/proc/${pid}/fd/${fd}`))),
  );
  if (owner === undefined) throw new Error(`none of ${pids.join(', ')} is connected to port ${port}`);
  return owner;
}
