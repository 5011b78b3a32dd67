// What a server costs, read from /proc for its whole tree of processes: nginx has a master and a worker.

import { readdirSync, readFileSync } from 'node:fs';

/** Ticks of utime and stime a second: sysconf(_SC_CLK_TCK), 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** Seconds of CPU, user and system, that the tree has used since its start. */
export function cpuSeconds(pid: number): number {
  let ticks = 0;
  for (const member of processTree(pid)) {
    // proc(5): the command stands in parentheses and may hold spaces; utime and stime are the 14th and 15th field.
    const stat = readFileSync(`/proc/${member}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / TICKS_PER_SECOND;
}

/** Megabytes of memory that the tree accounts for: shared pages are split among those who share them. */
export function pssMegabytes(pid: number): number {
  return memoryMegabytes(pid, 'Pss');
}

/** Megabytes of memory resident in the tree, shared pages counted in full. */
export function rssMegabytes(pid: number): number {
  return memoryMegabytes(pid, 'Rss');
}

function memoryMegabytes(pid: number, field: 'Pss' | 'Rss'): number {
  let kilobytes = 0;
  for (const member of processTree(pid)) {
    const rollup = readFileSync(`/proc/${member}/smaps_rollup`, 'latin1');
    kilobytes += Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1] ?? 0);
  }
  return kilobytes / 1024;
}

/** The process and all that descend from it. */
export function processTree(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1').split(' ').filter(Boolean).map(Number),
  );
  return [pid, ...children.flatMap(processTree)];
}
