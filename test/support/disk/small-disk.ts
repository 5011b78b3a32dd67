// File systems of a few megabytes, for tests of what a full, read-only or broken disk costs. Mounting needs root.

import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { makeFolder, removeFolder } from './temporary-folder.ts';

/** Whether a file system can be mounted here: the reason to skip, or false. */
export const cannotMount = (() => {
  const where = execFileSync('mktemp', ['-d'], { encoding: 'utf8' }).trim();
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', where]).status === 0;
  if (mounted) execFileSync('umount', [where]);
  execFileSync('rmdir', [where]);
  return mounted ? false : 'mounting a file system needs root';
})();

/** Whether a disk of our own can be had here (see `BreakableDisk`): the reason to skip, or false. */
export const cannotBreak =
  cannotMount || (spawnSync('mkfs.ext4', ['-V']).status === 0 && spawnSync('losetup', ['-f']).status === 0)
    ? cannotMount
    : 'a disk to be broken needs mkfs.ext4 and loop devices';

/** A file system in memory, gone after the test. `options` as mount takes them: `size=24m,nr_inodes=40`. */
export async function smallDisk(t: TestContext, options: string): Promise<string> {
  const folder = await makeFolder();
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder]);
  t.after(() => {
    execFileSync('umount', ['-l', folder]);
    return removeFolder(folder);
  });
  return folder;
}

export function remount(folder: string, how: 'ro' | 'rw'): void {
  execFileSync('mount', ['-o', `remount,${how}`, folder]);
}

export interface BreakableDisk {
  readonly folder: string;
  /** As the kernel does after an error: read-only from now on, also for those who have files open for writing. */
  turnReadOnly(): void;
}

/** An ext4 of 64 MB in a file. */
export async function breakableDisk(t: TestContext): Promise<BreakableDisk> {
  const home = await makeFolder();
  const folder = await makeFolder();
  const image = `${home}/image`;
  writeFileSync(image, '');
  execFileSync('truncate', ['-s', '64M', image]);
  execFileSync('mkfs.ext4', ['-q', '-F', image]);
  execFileSync('mount', ['-o', 'loop,errors=remount-ro', image, folder]);
  t.after(async () => {
    execFileSync('umount', ['-l', folder]);
    await removeFolder(folder);
    await removeFolder(home);
  });
  const device = execFileSync('findmnt', ['-no', 'SOURCE', folder], { encoding: 'utf8' }).trim().split('/').at(-1);
  return { folder, turnReadOnly: () => writeFileSync(`/sys/fs/ext4/${device}/trigger_fs_error`, '1') };
}
