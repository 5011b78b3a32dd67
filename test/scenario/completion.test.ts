// `wheelkeep completion`: what the Tab key offers, asked of the shells themselves.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { runCommand } from '../support/proxy/command.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

const run = promisify(execFile);
const skips: Partial<Record<Shell, string>> = {};

before(async () => {
  for (const shell of SHELLS) {
    await run(shell, ['--version']).catch(() => {
      skips[shell] = `${shell} is not installed`;
    });
  }
});

/** What each shell is made to do with `wheelkeep <typed>` and the Tab key; it prints what it would offer. */
const ASK: Readonly<Record<Shell, (script: string, typed: string) => string>> = {
  bash: (script, typed) => `
    source ${script}
    COMP_WORDS=(wheelkeep ${typed.replace(/(?<= |^)$/, "''")})
    COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
    _wheelkeep
    printf '%s\\n' "\${COMPREPLY[@]}"`,
  // A terminal of its own, because its completion only works in a line that is being edited.
  zsh: (script, typed) => `
    zmodload zsh/zpty
    zpty shell 'zsh -f -i'
    zpty -w shell 'PS1= ; unsetopt zle_bracketed_paste 2>/dev/null; autoload -U compinit; compinit -u -D; LISTMAX=1000; source ${script}; stty columns 200; echo re""ady'
    zpty -r -m shell out '*ready*'
    zpty -w -n shell 'wheelkeep ${typed}'$'\\t\\t'
    zpty -w shell $'\\C-a\\C-k\\nprint end""ed'
    zpty -r -m shell out '*ended*'
    print -r -- "$out"`,
  fish: (script, typed) => `source ${script}; complete -C 'wheelkeep ${typed}'`,
};

async function offered(t: TestContext, shell: Shell, typed: string): Promise<string> {
  const folder = await temporaryFolder(t);
  const { code, stdout, stderr } = await runCommand(
    { index: { url: 'http://127.0.0.1:9/simple/' }, dataDir: folder },
    'completion',
    shell,
  );
  assert.deepEqual([code, stderr], [0, '']);
  const script = join(folder, 'script');
  await writeFile(script, stdout);
  const env = { ...process.env, HOME: folder, TERM: 'dumb', LC_ALL: 'C.UTF-8' };
  const args = shell === 'zsh' ? ['-f', '-c'] : ['-c'];
  return (await run(shell, [...args, ASK[shell](script, typed)], { env, cwd: folder, timeout: 20_000 })).stdout;
}

for (const shell of SHELLS) {
  test(`${shell} completes commands, options, and values of which there are few`, async (t) => {
    if (skips[shell] !== undefined) return t.skip(skips[shell]);
    const commands = await offered(t, shell, '');
    for (const command of ['serve', 'run', 'drill', 'completion'])
      assert.match(commands, new RegExp(`\\b${command}\\b`));
    const options = await offered(t, shell, 'drill --');
    for (const option of ['--live', '--json', '--data-dir']) assert.ok(options.includes(option), options);
    assert.ok(!options.includes('--format'), options);
    const formats = await offered(t, shell, 'env --format ');
    for (const format of ['fish', 'dockerfile', 'gitlab']) assert.match(formats, new RegExp(`\\b${format}\\b`));
    const shells = await offered(t, shell, 'completion ');
    for (const name of SHELLS) assert.match(shells, new RegExp(`\\b${name}\\b`));
  });
}

test('bash leaves the command behind run alone', async (t) => {
  if (skips.bash !== undefined) return t.skip(skips.bash);
  assert.equal((await offered(t, 'bash', 'run -- env --fo')).trim(), '');
});

test('another shell is refused with the names of those that are known', async (t) => {
  const world = { index: { url: 'http://127.0.0.1:9/simple/' }, dataDir: await temporaryFolder(t) };
  const { code, stderr } = await runCommand(world, 'completion', 'tcsh');
  assert.equal(code, 2);
  assert.match(stderr, /bash, zsh, fish/);
});
