// Real pip, the newest and one from before it read core metadata by PEP 714 names.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { hashedRequirements } from './packages.ts';
import { type Install, installsDirectly, survivesOutage } from './rounds.ts';
import { pythonOf } from './tools.ts';

for (const variable of ['WHEELKEEP_TEST_PIP', 'WHEELKEEP_TEST_PIP_OLD'] as const) {
  const { path: python, skip } = pythonOf(variable);

  const byName: Install = async ({ home, run }) => {
    const target = join(home, 'target');
    await run(python, ['-m', 'pip', 'install', '--quiet', '--target', target, 'wk-app']);
    return target;
  };

  const byHash: Install = async ({ home, run, world }) => {
    const target = join(home, 'target');
    const requirements = join(home, 'requirements.txt');
    await writeFile(requirements, hashedRequirements(world));
    await run(python, ['-m', 'pip', 'install', '--quiet', '--require-hashes', '--target', target, '-r', requirements]);
    return target;
  };

  describe(`pip (${variable})`, { skip }, () => {
    it('installs cold, hot, and with upstream down after a restart', (test) => survivesOutage(test, byName));

    if (variable === 'WHEELKEEP_TEST_PIP') {
      it('installs the packages of the fake index without Wheelkeep', (test) => installsDirectly(test, byName));
      it('accepts the bytes under --require-hashes, cold, hot and during the outage', (test) =>
        survivesOutage(test, byHash));
      it('installs from an index that has HTML only', (test) =>
        survivesOutage(test, byName, { index: { formats: 'html-only' }, hot: false }));
    }
  });
}
