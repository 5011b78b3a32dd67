// Faults of the disk that no test can have from a real one: an error, or a delay, in every call of one kind. For the
// proxy inside the test's process; undone when the test ends, or before.

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

export interface DiskHook {
  /** How many calls met the fault. */
  readonly met: () => number;
  readonly restore: () => void;
}

type Callback = (error: NodeJS.ErrnoException | null, value?: unknown) => void;

/** Every read of a stored file through its descriptor fails with `code`. */
export function failReads(t: TestContext, code: string): DiskHook {
  return hookReads(t, (args) => {
    const done = args.at(-1) as Callback;
    setImmediate(done, systemError(code));
  });
}

/** What may become of one call that reads: the system's error; half of what was asked for; or nothing, as at an end. */
export type ReadFault = 'EIO' | 'EMFILE' | 'ENFILE' | 'EACCES' | 'half' | 'nothing';

/** Every call that opens, looks at or reads what lies in `folder` meets what `fault` says; undefined: nothing. */
export function troubleReads(t: TestContext, folder: string, fault: () => ReadFault | undefined): DiskHook {
  let met = 0;
  const meet = (): ReadFault | undefined => {
    const found = fault();
    if (found !== undefined) met++;
    return found;
  };
  /** For calls that read no bytes, or too few to be cut short. */
  const refusal = (place: unknown): NodeJS.ErrnoException | undefined => {
    if (typeof place === 'string' && !place.startsWith(folder)) return undefined;
    const found = fault();
    if (found === undefined || found === 'half' || found === 'nothing') return undefined;
    met++;
    return systemError(found);
  };
  const { open, read, readSync, fstatSync } = fs as unknown as Record<string, (...args: unknown[]) => unknown>;
  const promises = fs.promises as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
  const mocks = [
    t.mock.method(fs, 'open', (...args: unknown[]) => {
      const error = refusal(args[0]);
      if (error === undefined) open!(...args);
      else setImmediate(args.at(-1) as Callback, error);
    }),
    t.mock.method(fs, 'read', (...args: unknown[]) => {
      const done = args.at(-1) as Callback;
      const found = meet();
      const [fd, target, offset, length, position] = args;
      if (found === undefined) read!(...args);
      else if (found === 'nothing') setImmediate(done, null, 0);
      else if (found === 'half') read!(fd, target, offset, Math.ceil((length as number) / 2), position, done);
      else setImmediate(done, systemError(found));
    }),
    t.mock.method(fs, 'readSync', (...args: unknown[]) => {
      const error = refusal(args[0]);
      if (error !== undefined) throw error;
      return readSync!(...args);
    }),
    t.mock.method(fs, 'fstatSync', (...args: unknown[]) => {
      const error = refusal(args[0]);
      if (error !== undefined) throw error;
      return fstatSync!(...args);
    }),
    ...['stat', 'lstat', 'access', 'open'].map((name) => {
      const real = promises[name]!;
      return t.mock.method(promises, name, (...args: unknown[]) => {
        // Flags as text are a writer's.
        const error = name === 'open' && typeof args[1] === 'string' ? undefined : refusal(args[0]);
        return error === undefined ? real.apply(fs.promises, args) : Promise.reject(error);
      });
    }),
  ];
  syncBuiltinESMExports();
  const restore = () => {
    for (const { mock } of mocks) mock.restore();
    syncBuiltinESMExports();
  };
  t.after(restore);
  return { met: () => met, restore };
}

/** Every such read, and every write of a body, takes that much longer. */
export async function slowDisk(t: TestContext, delayMs: number): Promise<DiskHook> {
  const real = fs.read as (...args: unknown[]) => void;
  const reads = hookReads(t, (args) => setTimeout(() => real(...args), delayMs));
  const writes = await hookWrites(t, async (write) => {
    await sleep(delayMs);
    return write();
  });
  const restore = () => {
    reads.restore();
    writes.restore();
  };
  return { met: () => reads.met() + writes.met(), restore };
}

/** Every write of a body fails with `code`. */
export function failWrites(t: TestContext, code: string): Promise<DiskHook> {
  return hookWrites(t, () => Promise.reject(systemError(code)));
}

function hookReads(t: TestContext, meet: (args: unknown[]) => void): DiskHook {
  const mocked = t.mock.method(fs, 'read', (...args: unknown[]) => meet(args));
  syncBuiltinESMExports();
  return hookOf(t, mocked.mock, syncBuiltinESMExports);
}

async function hookWrites(
  t: TestContext,
  meet: (write: () => Promise<unknown>) => Promise<unknown>,
): Promise<DiskHook> {
  const handle = await fs.promises.open('/dev/null', 'r');
  const prototype = Object.getPrototypeOf(handle) as { writev(...args: unknown[]): Promise<unknown> };
  await handle.close();
  const real = prototype.writev;
  const mocked = t.mock.method(prototype, 'writev', function hooked(this: unknown, ...args: unknown[]) {
    return meet(() => real.apply(this, args));
  });
  // What is asked of the disk meanwhile fails as well.
  const probes = t.mock.method(fs.promises, 'writeFile', () => meet(async () => {}));
  syncBuiltinESMExports();
  return hookOf(t, mocked.mock, () => {
    probes.mock.restore();
    syncBuiltinESMExports();
  });
}

function hookOf(t: TestContext, mock: { callCount(): number; restore(): void }, afterwards: () => void): DiskHook {
  let met: number | undefined;
  const restore = () => {
    met ??= mock.callCount();
    mock.restore();
    afterwards();
  };
  t.after(restore);
  return { met: () => met ?? mock.callCount(), restore };
}

function systemError(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: made by the test`), { code });
}
