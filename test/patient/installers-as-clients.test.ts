// Real installers that have to prove who they are, over our own TLS: credentials in the address and in netrc.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { BOTH, guardedWorld, installed } from '../installer/guarded-world.ts';
import { type Machine, pythonOf, sitePackagesOf, tool } from '../installer/tools.ts';

for (const variable of ['WHEELKEEP_TEST_PIP', 'WHEELKEEP_TEST_PIP_OLD'] as const) {
  const { path: python, skip } = pythonOf(variable);
  const install = async ({ home, run }: Machine) => {
    const target = join(home, 'target');
    await run(python, ['-m', 'pip', 'install', '--quiet', '--target', target, 'wk-app']);
    return installed(target);
  };

  test(`pip installs with the credentials of its address or of netrc (${variable})`, { skip }, async (t) => {
    const { url, named, machine } = await guardedWorld(t);
    assert.deepEqual(await install(await machine(named)), BOTH);
    const second = await machine(url);
    await writeFile(join(second.home, '.netrc'), 'machine 127.0.0.1 login ci password p@ss/word:1\n', { mode: 0o600 });
    assert.deepEqual(await install(second), BOTH);
  });

  test(`pip without credentials, or with wrong ones, says 401 (${variable})`, { skip }, async (t) => {
    const { url, machine } = await guardedWorld(t);
    for (const address of [url, url.replace('://', '://ci:wrong@')]) {
      await assert.rejects(install(await machine(address)), /401|Unauthorized|No matching distribution/);
    }
  });
}

const uv = tool('WHEELKEEP_TEST_UV');

test('uv installs with the credentials of its address, and says 401 without', { skip: uv.skip }, async (t) => {
  const { url, named, machine } = await guardedWorld(t);
  const install = async ({ home, run }: Machine) => {
    const environment = join(home, 'venv');
    await run(uv.path, ['venv', '--clear', environment]);
    await run(uv.path, ['pip', 'install', '--python', environment, 'wk-app']);
    return installed(await sitePackagesOf(environment));
  };
  assert.deepEqual(await install(await machine(named)), BOTH);
  await assert.rejects(install(await machine(url)), /401|Unauthorized|failed/);
});
