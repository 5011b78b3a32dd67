// `wheelkeep drill --live` stopped in the middle of a build, with the options of a requirements file, and as the last word
// on what only a build can tell.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { live, world } from '../installer/live-drills.ts';
import { tool } from '../installer/tools.ts';
import { runCommand, startCommand } from '../support/command.ts';
import { get } from '../support/http-client.ts';
import { hashedRequirements } from '../support/lock-files.ts';
import { startProxy } from '../support/proxy.ts';
import { sdist, wheel } from '../support/wheels.ts';

const uv = tool('WHEELKEEP_TEST_UV');
const pip = tool('WHEELKEEP_TEST_PIP');

for (const installer of ['uv', 'pip'] as const) {
  test(`Ctrl-C ends a live install by ${installer} with its build, leaves nothing, and a server beside it notices nothing`, {
    skip: uv.skip || pip.skip,
  }, async (t) => {
    const given = await world(t, installer);
    const started = join(given.dataDir, 'started');
    const backend = `import os, time\nopen(${JSON.stringify(started)}, "w").write(str(os.getpid()))\ntime.sleep(60)\n`;
    const slow = sdist({ name: 'slow', version: '1.0', files: { 'unused.py': '' }, backend });
    given.index.add('slow', slow);
    await writeFile(join(given.dataDir, 'slow.txt'), hashedRequirements({ slow: [slow] }));
    assert.equal((await runCommand(given, 'warm', 'slow.txt')).code, 0);
    const server = await startProxy({ upstreams: [given.index.url], dataDir: given.dataDir });
    t.after(() => server.close());
    const running = startCommand(given, ['drill', '--live', 'slow.txt']);
    await until(() => existsSync(started) && readFileSync(started, 'utf8') !== '');
    // Cut off is the drill alone: another project is fetched from the same index meanwhile.
    assert.equal((await get(`${server.url}/simple/alpha/`)).status, 200);
    running.process.kill('SIGINT');
    const { code, signal, durationMs } = await running.ended;
    assert.deepEqual([code, signal], [130, null]);
    assert.ok(durationMs < 50_000);
    assert.deepEqual(await readdir(given.temporary), []);
    const builder = Number(readFileSync(started, 'utf8'));
    await until(() => !isAlive(builder));
  });
}

test('options of a requirements file hold in the live install, too', { skip: uv.skip || pip.skip }, async (t) => {
  const given = await world(t, 'uv');
  const both = [wheel({ name: 'both', version: '1.0' }), sdist({ name: 'both', version: '1.0' })];
  given.index.add('both', ...both);
  await writeFile(join(given.dataDir, 'source.txt'), '--no-binary both\nboth==1.0\n');
  await runCommand(given, 'warm', 'source.txt', '--only', '*.whl');
  const without = await live(given, 'source.txt');
  assert.deepEqual([without.code, without.verdict.live.succeeded], [1, false]);
  await runCommand(given, 'warm', 'source.txt');
  const whole = await live(given, 'source.txt');
  assert.deepEqual([whole.code, whole.verdict.readiness, whole.verdict.live.succeeded], [0, 1, true]);
});

test('what only a build can tell counts as missing, until a live install has told it', {
  skip: uv.skip || pip.skip,
}, async (t) => {
  const given = await world(t, 'uv');
  const hook = '\ndef get_requires_for_build_wheel(config_settings=None):\n    return list(map(str, [])) \n';
  const odd = sdist({ name: 'odd', version: '1.0', hook });
  given.index.add('odd', odd);
  await writeFile(join(given.dataDir, 'odd.txt'), hashedRequirements({ odd: [odd] }));
  assert.equal((await runCommand(given, 'warm', 'odd.txt')).code, 0);
  const { code, stdout } = await runCommand(given, 'drill', '--json', 'odd.txt');
  const [verdict] = JSON.parse(stdout).locks;
  assert.equal(code, 1);
  assert.deepEqual(
    verdict.missing.map(({ what, name, problem }: Record<string, string>) => [what, name, problem]),
    [['build', 'odd 1.0', 'unknown: what its build asks for when it runs (prebuilt)']],
  );
  assert.deepEqual(
    new Set(verdict.installers.map(({ survives }: { survives: unknown }) => survives)),
    new Set(['unknown']),
  );
  const settled = await live(given, 'odd.txt');
  assert.deepEqual([settled.code, settled.verdict.readiness, settled.verdict.missing], [0, 1, []]);
});

async function until(isTrue: () => boolean): Promise<void> {
  for (const end = Date.now() + 30_000; !isTrue(); ) {
    assert.ok(Date.now() < end, 'it never came to pass');
    await setTimeout(20);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
