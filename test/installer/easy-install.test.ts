// Real easy_install of setuptools 57: no Accept, names as they are typed, HTML read by regular expressions.

import assert from 'node:assert/strict';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex, type FakeIndexOptions } from '../support/upstream/fake-index.ts';
import { publish } from './packages.ts';
import { emptyMachine, pythonOf } from './tools.ts';

const { path: python, skip } = pythonOf('WHEELKEEP_TEST_EASY_INSTALL');

/** Names as people type them, and the eggs that they become. */
const WANTED: readonly (readonly [typed: string, egg: RegExp])[] = [
  ['Wk_Epoch', /^wk_epoch-1!2\.0-/],
  ['WK_Local', /^wk_local-1\.0\+cu1\.2-/],
  ['foo_bar_baz', /^foo_bar_baz-1\.2\.3-/],
];

describe('easy_install of setuptools 57', { skip }, () => {
  for (const [what, manners] of Object.entries<FakeIndexOptions>({
    'the public index': {},
    'an index that has JSON only': { formats: 'json-only' },
  })) {
    it(`finds projects by any spelling and installs them from ${what}, also when it is gone`, async (test) => {
      const index = await FakeIndex.start(manners);
      publish(index);
      const proxy = await startProxy({ upstreams: [index.url] });
      test.after(() => Promise.all([proxy.close(), index.close()]));
      const folder = await temporaryFolder(test);
      for (const round of ['cold', 'down']) {
        if (round === 'down') await index.down();
        const { home, run } = await emptyMachine(join(folder, round), `${proxy.url}/simple/`);
        const target = join(home, 'target');
        await mkdir(target);
        const names = WANTED.map(([typed]) => typed);
        const options = [
          '-q',
          'easy_install',
          '-i',
          `${proxy.url}/simple/`,
          '-m',
          '-d',
          target,
          '-s',
          target,
          ...names,
        ];
        const program = `from setuptools import setup\nsetup(script_args=${JSON.stringify(options)})`;
        await run(python, ['-W', 'ignore', '-c', program]);
        const eggs = await readdir(target);
        for (const [typed, egg] of WANTED)
          assert.ok(
            eggs.some((name) => egg.test(name)),
            `${typed} in ${round}`,
          );
      }
      assert.equal(index.requests('/simple/'), 0, 'the whole list was read, as after a miss');
    });
  }
});
