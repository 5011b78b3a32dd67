// `wheelkeep drill --live`: a real installer has the last word. Other installers and locks: test/patient.

import { test } from 'node:test';
import { failsIncomplete, installsWarm } from './live-drills.ts';
import { tool } from './tools.ts';

const skip = tool('WHEELKEEP_TEST_UV').skip || tool('WHEELKEEP_TEST_PIP').skip;

test('uv installs a warm lock with upstream cut off, and nothing is left behind', { skip }, (t) =>
  installsWarm(t, 'uv'),
);

test('uv fails where something that it needs is not held, and the drill with it', { skip }, (t) =>
  failsIncomplete(t, 'uv'),
);
