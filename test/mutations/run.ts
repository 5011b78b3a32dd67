// `npm run test:mutations`: breaks one mechanism after the other in a copy of the tree and runs the tests that must
// notice. Fails when one does not, when a change no longer fits the code, or when the tests fail without any change.

import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MUTANTS, type Mutant } from './mutants.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const COPIED = ['src', 'test', 'bin', 'deploy', 'package.json', 'tsconfig.json', 'docs', 'README.md'];
const LIMIT_MS = 120_000;

type Outcome = 'noticed' | 'survived' | 'does not fit' | 'fails without it';

const chosen = process.argv.slice(2);
const mutants = MUTANTS.filter(({ name }) => chosen.length === 0 || chosen.some((text) => name.includes(text)));
const waiting = [...mutants];
let failures = 0;

const places = await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, copyOfTree));
try {
  await Promise.all(places.map(work));
} finally {
  await Promise.all(places.map((place) => rm(place, { recursive: true, force: true })));
}
console.log(`${mutants.length - failures} of ${mutants.length} were noticed`);
process.exitCode = failures === 0 ? 0 : 1;

async function work(place: string): Promise<void> {
  for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
    const startedAt = performance.now();
    const outcome = await play(place, mutant);
    if (outcome !== 'noticed') failures += 1;
    console.log(
      `${outcome.padEnd(16)} ${((performance.now() - startedAt) / 1000).toFixed(1).padStart(5)} s  ${mutant.name}`,
    );
  }
}

async function play(place: string, mutant: Mutant): Promise<Outcome> {
  const file = join(place, mutant.file);
  const source = await readFile(file, 'utf8');
  if (source.split(mutant.before).length !== 2) return 'does not fit';
  if (!(await passes(place, mutant))) return 'fails without it';
  await writeFile(
    file,
    source.replace(mutant.before, () => mutant.after),
  );
  try {
    return (await passes(place, mutant)) ? 'survived' : 'noticed';
  } finally {
    await writeFile(file, source);
  }
}

/** Whether the tests pass, and there are any. */
function passes(place: string, { tests, only }: Mutant): Promise<boolean> {
  const guard = ['--import', './test/support/network-guard.ts', '--test', '--test-reporter=tap'];
  const pattern = only === undefined ? [] : [`--test-name-pattern=${only}`];
  const { NODE_TEST_CONTEXT: _inherited, ...env } = process.env;
  return new Promise((resolve) => {
    const options = { cwd: place, env, timeout: LIMIT_MS, maxBuffer: 64 << 20 };
    execFile(process.execPath, [...guard, ...pattern, ...tests], options, (error, output) => {
      resolve(error === null && /^# pass [1-9]/m.test(output));
    });
  });
}

async function copyOfTree(): Promise<string> {
  const place = await mkdtemp(join(tmpdir(), 'wheelkeep-mutants-'));
  for (const name of COPIED) await cp(join(ROOT, name), join(place, name), { recursive: true });
  await symlink(join(ROOT, 'node_modules'), join(place, 'node_modules'));
  return place;
}
