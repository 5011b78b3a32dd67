// Real Poetry: a project with Wheelkeep as its only source, locked and installed.

import { test } from 'node:test';
import { locksAlike } from '../installer/rounds.ts';
import { tool } from '../installer/tools.ts';

const { path: poetry, skip } = tool('WHEELKEEP_TEST_POETRY');

test(
  'Poetry writes the same right lock file and installs cold, hot, and with upstream down after a restart',
  {
    skip,
  },
  (t) =>
    locksAlike(t, {
      settings: (indexUrl) => `
[tool.poetry]
package-mode = false

[[tool.poetry.source]]
name = "only"
url = "${indexUrl}"
priority = "primary"
`,
      lockFile: 'poetry.lock',
      commands: [
        [poetry, 'lock', '--quiet'],
        [poetry, 'install', '--quiet'],
      ],
    }),
);
