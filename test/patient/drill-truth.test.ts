// `wheelkeep drill` against the truth: of each thing that an install may need one cache is made that lacks exactly this,
// the drill predicts, and then real installers try it with upstream gone. Both must say the same, in both directions,
// and no installer may be refused what the drill believed to be here.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { emptyMachine, tool } from '../installer/tools.ts';
import { runCommand } from '../support/command.ts';
import { FakeIndex } from '../support/fake-index.ts';
import { status } from '../support/faults.ts';
import { FrontServer } from '../support/front-server.ts';
import { get } from '../support/http-client.ts';
import { hashedRequirements } from '../support/lock-files.ts';
import { startProxy } from '../support/proxy.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type Distribution, sdist, wheel } from '../support/wheels.ts';

const pip = tool('WHEELKEEP_TEST_PIP');
const uv = tool('WHEELKEEP_TEST_UV');
const skip = pip.skip || uv.skip;

const HERE = `py3-none-manylinux_2_17_${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}`;

const LOCKED = {
  pure: [wheel({ name: 'pure', version: '1.0', requires: ['native'] }), sdist({ name: 'pure', version: '1.0' })],
  native: [
    wheel({ name: 'native', version: '1.0', tag: HERE }),
    wheel({ name: 'native', version: '1.0', tag: 'py3-none-win32' }),
  ],
  built: [sdist({ name: 'built', version: '1.0', buildRequires: ['kit>=1'] })],
  windows: [wheel({ name: 'windows', version: '1.0' })],
};
/** What no lock file names: for building, and for resolving pins that are not all there is. */
const UNNAMED = {
  kit: [
    // Without this requirement pip would go back to it where the page of kit-part is missing; uv would not.
    wheel({ name: 'kit', version: '1.0', requires: ['kit-part'] }),
    wheel({
      name: 'kit',
      version: '1.1',
      requires: ['kit-part ; sys_platform != "win32"', 'windows; sys_platform == "win32"'],
    }),
    wheel({ name: 'kit', version: '2.0a1' }),
  ],
  'kit-part': [wheel({ name: 'kit-part', version: '3.0' })],
  top: [wheel({ name: 'top', version: '1.0', requires: ['below<2', 'extra-only; extra == "more"'] })],
  below: [wheel({ name: 'below', version: '1.5' }), wheel({ name: 'below', version: '2.0' })],
  'extra-only': [wheel({ name: 'extra-only', version: '1.0' })],
};
const ALL: Readonly<Record<string, readonly Distribution[]>> = { ...LOCKED, ...UNNAMED };

const LISTS = {
  hashed: hashedRequirements(LOCKED).replace('windows==1.0', 'windows==1.0 ; sys_platform == "win32"'),
  open: 'top==1.0\n',
  extras: 'top[more]==1.0\n',
};

interface Case {
  readonly list: keyof typeof LISTS;
  readonly lacks: string;
  readonly survives: boolean;
}

/** What the cache lacks: a page by the project's name, a file by its own; and what then must be true. */
const CASES: readonly Case[] = [
  { list: 'hashed', lacks: 'nothing', survives: true },
  { list: 'hashed', lacks: 'pure', survives: false },
  { list: 'hashed', lacks: 'pure-1.0-py3-none-any.whl', survives: false },
  { list: 'hashed', lacks: 'pure-1.0-py3-none-any.whl.metadata', survives: true },
  { list: 'hashed', lacks: 'pure-1.0.tar.gz', survives: true },
  { list: 'hashed', lacks: `native-1.0-${HERE}.whl`, survives: false },
  { list: 'hashed', lacks: 'native-1.0-py3-none-win32.whl', survives: true },
  { list: 'hashed', lacks: 'built-1.0.tar.gz', survives: false },
  { list: 'hashed', lacks: 'windows', survives: true },
  { list: 'hashed', lacks: 'kit', survives: false },
  { list: 'hashed', lacks: 'kit-1.0-py3-none-any.whl', survives: true },
  { list: 'hashed', lacks: 'kit-1.1-py3-none-any.whl', survives: false },
  { list: 'hashed', lacks: 'kit-2.0a1-py3-none-any.whl', survives: true },
  { list: 'hashed', lacks: 'kit-part', survives: false },
  { list: 'hashed', lacks: 'kit_part-3.0-py3-none-any.whl', survives: false },
  { list: 'open', lacks: 'nothing', survives: true },
  { list: 'open', lacks: 'below', survives: false },
  { list: 'open', lacks: 'below-1.5-py3-none-any.whl', survives: false },
  { list: 'open', lacks: 'below-2.0-py3-none-any.whl', survives: true },
  { list: 'open', lacks: 'extra-only', survives: true },
  { list: 'extras', lacks: 'extra-only', survives: false },
];

for (const { list, lacks, survives } of CASES) {
  const told = survives ? 'survives' : 'does not survive';
  test(`${list} requirements: a cache that lacks ${lacks} ${told}, and the drill knows`, { skip }, async (t) => {
    const { index, dataDir } = await filled(t, lacks);
    const path = join(dataDir, 'requirements.txt');
    await writeFile(path, LISTS[list]);
    const PATH = `${dirname(pip.path)}:/usr/bin:/bin`;
    const { code, stdout, stderr } = await runCommand({ index, dataDir, env: { PATH } }, 'drill', '--json', path);
    const [verdict] = (JSON.parse(stdout || `{"locks": ["${stderr}"]}`) as { locks: readonly Verdict[] }).locks;
    assert.deepEqual([code, verdict!.readiness === 1], survives ? [0, true] : [1, false], stdout);

    const proxy = await startProxy({ upstreams: [index.url], dataDir });
    t.after(() => proxy.close());
    const front = await FrontServer.start();
    t.after(() => front.close());
    front.target = proxy.url;
    const missing = new Set(verdict!.missing.map(({ name }) => name.replace(/\.metadata$/, '')));
    for (const installer of ['pip', 'uv'] as const) {
      front.clear();
      assert.deepEqual([installer, await installs(t, installer, `${front.url}/simple/`, path)], [installer, survives]);
      const surprises = [...front.refused].filter((name) => !missing.has(name));
      assert.deepEqual(surprises, [], `${installer} was refused what the drill believed to be here`);
    }
  });
}

interface Verdict {
  readonly readiness: number;
  readonly missing: readonly { readonly name: string }[];
}

/** A data folder with all that the index has but the one thing, and the index gone. */
async function filled(t: TestContext, lacks: string) {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  for (const [name, files] of Object.entries(ALL)) index.add(name, ...files);
  const dataDir = await temporaryFolder(t);
  const escaped = lacks.replaceAll('.', '\\.');
  index.fault(new RegExp(`/${escaped}/?$`), status(500));
  const filling = await startProxy({ upstreams: [index.url], dataDir });
  for (const [name, files] of Object.entries(ALL)) {
    await get(`${filling.url}/simple/${name}/`);
    for (const file of files) {
      const path = `${filling.url}/files/http/${new URL(index.url).host}${index.pathOf(file)}`;
      // The metadata first: later it would be cut out of the wheel.
      if (file.filename.endsWith('.whl')) await get(`${path}.metadata`);
      await get(path);
    }
  }
  await filling.close();
  await index.down();
  return { index, dataDir };
}

async function installs(t: TestContext, installer: 'pip' | 'uv', indexUrl: string, requirements: string) {
  const home = await temporaryFolder(t);
  const python = join(dirname(pip.path), 'python');
  const noRetries = { PIP_RETRIES: '0', UV_HTTP_RETRIES: '0', UV_PYTHON: python };
  const { run } = await emptyMachine(home, indexUrl, noRetries);
  const target = ['--target', join(home, 'installed'), '-r', requirements];
  const command = installer === 'pip' ? ['install', ...target] : ['pip', 'install', ...target];
  return run(installer === 'pip' ? pip.path : uv.path, command).then(
    () => true,
    () => false,
  );
}
