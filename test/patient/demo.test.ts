// The demo plays to its end with the pip of this machine, which takes it seconds to start.

import { test } from 'node:test';
import { playsWhole } from '../demo/plays-whole.ts';

test('the demo with the pip of this machine: installs, survives the loss of the index, heals a damaged file, cleans up', (t) =>
  playsWhole(t));
