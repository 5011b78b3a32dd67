// Locks of all formats that name the same files are one install: the drill says the same of each.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { runCommand } from '../support/proxy/command.ts';
import { pythonMissing } from '../support/proxy/this-machine.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { hashedRequirements, otherLocks, uvLock } from '../support/upstream/lock-files.ts';
import { sdist, wheel } from '../support/upstream/wheels.ts';

interface Verdict {
  readonly needed: readonly { readonly what: string; readonly name: string }[];
  readonly missing: readonly { readonly what: string; readonly name: string }[];
  readonly built: readonly string[];
}

test('locks of all formats with the same content get the same answer, whole and in part', {
  skip: pythonMissing,
}, async (t) => {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const locked = {
    alpha: [wheel({ name: 'alpha', version: '1.0', requires: ['beta', 'gamma'] })],
    beta: [wheel({ name: 'beta', version: '2.0' }), wheel({ name: 'beta', version: '2.0', tag: 'py3-none-win32' })],
    gamma: [sdist({ name: 'gamma', version: '3.0' })],
  };
  for (const [name, files] of Object.entries(locked)) index.add(name, ...files);
  const dataDir = await temporaryFolder(t);
  const formats = {
    'uv.lock': uvLock(index, locked),
    'requirements.txt': hashedRequirements(locked),
    ...Object.fromEntries(Object.entries(otherLocks()).map(([name, write]) => [name, write(locked)])),
  };
  for (const [name, content] of Object.entries(formats)) await writeFile(join(dataDir, name), content);
  const names = Object.keys(formats);
  const same = async () => {
    const { code, stdout } = await runCommand({ index, dataDir }, 'drill', '--json', ...names);
    const verdicts = (JSON.parse(stdout) as { readonly locks: readonly Verdict[] }).locks;
    const [first, ...others] = verdicts.map(({ needed, missing, built }) => ({
      needed: told(needed),
      missing: told(missing),
      built,
    }));
    for (const [at, other] of others.entries()) assert.deepEqual(other, first, names[at + 1]);
    return { code, ...first! };
  };
  await runCommand({ index, dataDir }, 'warm', '--only', '*-any.whl', 'requirements.txt');
  const part = await same();
  assert.deepEqual([part.code, part.missing], [1, ['build gamma 3.0', 'file gamma-3.0.tar.gz']]);
  await runCommand({ index, dataDir }, 'warm', 'requirements.txt', 'poetry.lock');
  // What the build of gamma requires is known to an installer alone.
  const whole = await same();
  assert.deepEqual([whole.code, whole.missing, whole.built], [1, ['build gamma 3.0'], ['gamma 3.0']]);
});

function told(findings: readonly { readonly what: string; readonly name: string }[]): string[] {
  return findings.map(({ what, name }) => `${what} ${name}`).sort();
}
