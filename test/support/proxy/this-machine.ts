// What the drill asks of this machine.

import { tmpdir } from 'node:os';
import { askPython } from '../../../src/commands/this-python.ts';

/** Why tests of what fits the Python of this machine cannot run; false when they can. */
export const pythonMissing: string | false =
  (await askPython('python3', { env: process.env, cwd: tmpdir() })) === undefined
    ? 'there is no python3 with pip or ensurepip on this machine'
    : false;
