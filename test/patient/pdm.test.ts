// Real PDM: a project with Wheelkeep as its only source, locked with hashes and synchronised.

import { test } from 'node:test';
import { locksAlike } from '../installer/rounds.ts';
import { tool } from '../installer/tools.ts';

const { path: pdm, skip } = tool('WHEELKEEP_TEST_PDM');

test(
  'PDM writes the same right lock file and installs cold, hot, and with upstream down after a restart',
  {
    skip,
  },
  (t) =>
    locksAlike(t, {
      // A source of this name takes the place of the one that PDM knows by itself.
      settings: (indexUrl) => `
[[tool.pdm.source]]
name = "pypi"
url = "${indexUrl}"
`,
      lockFile: 'pdm.lock',
      commands: [
        [pdm, 'lock', '--quiet'],
        [pdm, 'sync', '--quiet', '--no-self'],
      ],
    }),
);
