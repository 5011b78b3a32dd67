// Real uv: `uv pip install`, and a project with a lock file.

import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type Install, locksAlike, survivesOutage } from './rounds.ts';
import { tool } from './tools.ts';

const { path: uv, skip } = tool('WHEELKEEP_TEST_UV');

const install: Install = async ({ home, run }) => {
  const target = join(home, 'target');
  await run(uv, ['pip', 'install', '--quiet', '--target', target, 'wk-app']);
  return target;
};

describe('uv', { skip }, () => {
  it('installs cold, hot, and with upstream down after a restart', (test) => survivesOutage(test, install));

  it('installs from an index that has HTML only', (test) =>
    survivesOutage(test, install, { index: { formats: 'html-only' }, hot: false }));

  it('writes the same right lock file cold, hot and during the outage, and syncs', (test) =>
    locksAlike(test, {
      settings: () => '',
      lockFile: 'uv.lock',
      commands: [
        [uv, 'lock', '--quiet'],
        [uv, 'sync', '--quiet', '--locked', '--no-install-project'],
      ],
    }));
});
