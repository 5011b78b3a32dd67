// Less processor and memory than this machine has, by control groups (version 1, as root): as a container in a CI job.

import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';

const ROOT = '/sys/fs/cgroup';
const PERIOD_US = 100_000;

export interface SmallMachine {
  /** For SpawnOptions. */
  readonly groups: readonly string[];
  /** The most that was in use at once, bytes: of the processes, without what the kernel keeps of files. */
  readonly residentBytes: () => number;
  /** How often it had to end a process for want of memory. */
  readonly kills: () => number;
  /** When all its processes have ended. */
  close(): void;
}

/** False when this machine can be divided, else why not: for `skip`. */
export const cannotDivide: string | false = (() => {
  try {
    smallMachine({ cores: 0.5, memoryBytes: 1e9 }).close();
    return false;
  } catch (error) {
    return `no control groups here (${(error as NodeJS.ErrnoException).code})`;
  }
})();

/** Throws the system's error where there are no control groups or they are not ours. */
export function smallMachine({
  cores,
  memoryBytes,
}: {
  readonly cores: number;
  readonly memoryBytes: number;
}): SmallMachine {
  const name = `wheelkeep-test-${process.pid}-${Math.random().toString(36).slice(2)}`;
  const [cpu, memory] = [`${ROOT}/cpu/${name}`, `${ROOT}/memory/${name}`];
  mkdirSync(cpu);
  mkdirSync(memory);
  writeFileSync(`${cpu}/cpu.cfs_period_us`, String(PERIOD_US));
  writeFileSync(`${cpu}/cpu.cfs_quota_us`, String(PERIOD_US * cores));
  writeFileSync(`${memory}/memory.limit_in_bytes`, String(memoryBytes));
  const inMemory = (file: string) => readFileSync(`${memory}/${file}`, 'utf8');
  return {
    groups: [cpu, memory],
    residentBytes: () => Number(/^rss (\d+)/m.exec(inMemory('memory.stat'))?.[1]),
    kills: () => Number(/^oom_kill (\d+)/m.exec(inMemory('memory.oom_control'))?.[1] ?? 0),
    close: () => {
      rmdirSync(cpu);
      rmdirSync(memory);
    },
  };
}
