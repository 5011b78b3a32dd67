// What authors and upstreams write reaches the terminal of whoever asks about it as text.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { runCommand } from '../support/proxy/command.ts';
import { get } from '../support/proxy/http-client.ts';
import { spawnProxy } from '../support/proxy/spawned-proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { wheel } from '../support/upstream/wheels.ts';

const REASONS = [
  '\u001b]0;owned\u0007\u001b[2J',
  'broken\n::error::forged',
  'broken\r##vso[task.setvariable variable=x]y',
  '##[set-output name=x]\u202ey\u009b31m',
];

test('explain shows the reasons of yanked files, and obeys nothing in them', async (t) => {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const files = REASONS.map((_, i) => wheel({ name: 'demo', version: `${i + 1}.0` }));
  index.add('demo', ...files);
  for (const [i, { filename }] of files.entries()) index.yank('demo', filename, REASONS[i]!);
  const dataDir = await temporaryFolder(t);
  const proxy = await spawnProxy({ dataDir, upstreams: [index.url] });
  t.after(() => proxy.stop('SIGKILL'));
  await get(`${proxy.url}/simple/demo/`);
  const world = { index, dataDir, env: { WHEELKEEP_PORT: String(proxy.port) } };
  for (const { filename } of files) {
    for (const flags of [[], ['--json']]) {
      const { stdout, stderr, code } = await runCommand(world, 'explain', 'demo', filename, ...flags);
      assert.equal(code, 0, stderr);
      assert.match(stdout, /yanked/);
      for (const line of stdout.split('\n')) {
        assert.doesNotMatch(line, /[\x00-\x1f\x7f-\x9f\u202e]|##\[|##vso\[|^\s*::/, JSON.stringify(stdout));
      }
      if (flags.length > 0)
        assert.ok(REASONS.includes((JSON.parse(stdout) as { file: { yanked: string } }).file.yanked));
    }
  }
});
