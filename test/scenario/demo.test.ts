// The demo plays to its end, in time.

import { test } from 'node:test';
import { playsWhole } from '../demo/plays-whole.ts';

test('the demo without Python: installs, survives the loss of the index, heals a damaged file, cleans up', (t) =>
  playsWhole(t, '--walk'));
