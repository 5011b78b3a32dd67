// Plays one world through: caches that hold all or part of it, what the drill predicts of each, and what real
// installers then do with upstream gone. Every difference is a line of text.

import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Random } from '../fuzz/random.ts';
import { emptyMachine } from '../installer/tools.ts';
import { runCommand } from './command.ts';
import { randomWorld, type World } from './drill-world.ts';
import { FakeIndex } from './fake-index.ts';
import { FrontServer } from './front-server.ts';
import { get } from './http-client.ts';
import { startProxy } from './proxy.ts';
import { makeFolder, removeFolder } from './temporary-folder.ts';

export interface Tools {
  readonly pip: string;
  readonly uv: string;
}

type Installer = 'pip' | 'uv';

interface Verdict {
  readonly readiness: number;
  readonly needed: readonly { readonly what: string; readonly name: string; readonly problem?: string }[];
  readonly missing: readonly { readonly what: string; readonly name: string; readonly problem: string }[];
  readonly installers: readonly { readonly name: Installer; readonly survives: boolean | 'unknown' }[];
}

/** The lock file's name and content, and who reads it. */
interface Lock {
  readonly filename: string;
  readonly installers: readonly Installer[];
}

/** All differences between what the drill says and what is true, for the world of this seed. */
export async function playWorld(seed: number, tools: Tools, cuts: number): Promise<string[]> {
  const random = new Random(seed);
  const world = randomWorld(random);
  const play = new Play(world, tools, await makeFolder(), await FakeIndex.start(), await FrontServer.start());
  try {
    return (await play.run(random, cuts)).map((line) => `seed ${seed}: ${line}`);
  } finally {
    await play.close();
  }
}

class Play {
  readonly #world: World;
  readonly #tools: Tools;
  readonly #folder: string;
  readonly #index: FakeIndex;
  readonly #front: FrontServer;
  #runs = 0;

  constructor(world: World, tools: Tools, folder: string, index: FakeIndex, front: FrontServer) {
    this.#world = world;
    this.#tools = tools;
    this.#folder = folder;
    this.#index = index;
    this.#front = front;
    for (const [name, files] of world.files) {
      for (const { distribution, isYanked } of files) index.addListed(name, distribution, { yanked: isYanked });
    }
  }

  async close(): Promise<void> {
    this.#front.close();
    await this.#index.close();
    await removeFolder(this.#folder);
  }

  async run(random: Random, cuts: number): Promise<string[]> {
    const full = join(this.#folder, 'full');
    await this.#fill(full, () => true);
    const lock = await this.#lock(random, full);
    const problems = await this.#compare(lock, full, 'all of it', true);
    for (let cut = 0; cut < cuts; cut++) {
      const dataDir = join(this.#folder, `cut-${cut}`);
      const share = random.pick([0.03, 0.08, 0.2]);
      const lacking: string[] = [];
      await this.#index.up();
      await this.#fill(dataDir, (name) => {
        const lacks = random.chance(share);
        if (lacks) lacking.push(name);
        return !lacks;
      });
      problems.push(...(await this.#compare(lock, dataDir, `without ${lacking.join(' ')}`, false)));
    }
    return problems;
  }

  /** A data folder with the pages and files that `holds` names; the index is gone afterwards. */
  async #fill(dataDir: string, holds: (name: string) => boolean): Promise<void> {
    const proxy = await startProxy({ upstreams: [this.#index.url], dataDir });
    for (const [name, files] of this.#world.files) {
      const isPageHeld = holds(name);
      // A file's page comes with it.
      if (!isPageHeld) continue;
      await get(`${proxy.url}/simple/${name}/`);
      for (const { distribution } of files) {
        if (!holds(distribution.filename)) continue;
        const path = `${proxy.url}/files/http/${new URL(this.#index.url).host}${this.#index.pathOf(distribution)}`;
        await get(path);
      }
    }
    await proxy.close();
    await this.#index.down();
  }

  /** Writes a lock file made by uv, or the pins of a user where uv finds no solution or chance wants them. */
  async #lock(random: Random, full: string): Promise<Lock> {
    const { wanted, pins } = this.#world;
    const kind = random.pick(['pins', 'pins', 'hashed', 'hashed', 'compiled', 'uv.lock', 'pylock.toml'] as const);
    const byUv = kind === 'pins' ? undefined : await this.#lockByUv(kind, wanted, full);
    const place = join(this.#folder, 'requirements.txt');
    if (byUv !== undefined) {
      // A line that somebody wrote beside what a tool had hashed.
      if (kind === 'hashed' && random.chance(0.15)) await appendFile(place, 'windows-only==1.0\n');
      return byUv;
    }
    const option = random.pick(['', '', '', '--no-binary anna\n', '--only-binary :all:\n', '--pre\n']);
    await writeFile(place, `${option}${pins.join('\n')}\n`);
    return { filename: 'requirements.txt', installers: ['uv', 'pip'] };
  }

  async #lockByUv(kind: string, wanted: readonly string[], full: string): Promise<Lock | undefined> {
    const proxy = await startProxy({ upstreams: [this.#index.url], dataDir: full });
    this.#front.target = proxy.url;
    const machine = await this.#machine();
    const filename = kind.includes('lock') ? kind : 'requirements.txt';
    try {
      if (kind === 'uv.lock') {
        const project = ['[project]', 'name = "app"', 'version = "1"', 'requires-python = ">=3.9"'];
        const dependencies = `dependencies = ${JSON.stringify(wanted)}`;
        await writeFile(join(this.#folder, 'pyproject.toml'), `${[...project, dependencies].join('\n')}\n`);
        await machine.run(this.#tools.uv, ['lock'], this.#folder);
        return { filename, installers: ['uv'] };
      }
      await writeFile(join(this.#folder, 'wanted.in'), `${wanted.join('\n')}\n`);
      const hashes = kind === 'hashed' ? ['--generate-hashes'] : [];
      const more = kind === 'pylock.toml' ? ['--format', 'pylock.toml'] : hashes;
      await machine.run(this.#tools.uv, ['pip', 'compile', ...more, 'wanted.in', '-o', filename], this.#folder);
      return { filename, installers: kind === 'pylock.toml' ? ['uv'] : ['uv', 'pip'] };
    } catch {
      return undefined;
    } finally {
      await proxy.close();
    }
  }

  async #compare(lock: Lock, dataDir: string, what: string, isWhole: boolean): Promise<string[]> {
    const python = join(dirname(this.#tools.pip), 'python');
    const world = { index: this.#index, dataDir, cwd: this.#folder };
    const { code, stdout, stderr } = await runCommand(world, 'drill', '--json', '--python', python, lock.filename);
    if (stdout === '') return [`${lock.filename} ${what}: the drill failed (${code}): ${stderr}`];
    const [verdict] = (JSON.parse(stdout) as { readonly locks: readonly Verdict[] }).locks;
    const { needed, missing, installers, readiness } = verdict!;
    const problems: string[] = [];
    const tell = (text: string) => problems.push(`${lock.filename} ${what}: ${text}`);
    if ((code === 0) !== (readiness === 1) || (code === 0) !== (missing.length === 0))
      tell(`code ${code} but readiness ${readiness}`);
    // What cannot be installed with all of it here: the installers may look for a solution in another order.
    const isHopeless = missing.some(({ problem }) => problem.startsWith('no version'));
    const isUnknown = missing.some(({ problem }) => problem.startsWith('unknown'));
    const expected = fileNames(needed);
    const lacking = fileNames(missing);
    const proxy = await startProxy({ upstreams: [this.#index.url], dataDir });
    this.#front.target = proxy.url;
    const asked = new Set<string>();
    let isCertain = true;
    for (const name of lock.installers) {
      this.#front.clear();
      const output = await this.#installs(name, lock.filename);
      const succeeded = output === undefined;
      const predicted = installers.find((one) => one.name === name)!.survives;
      if (predicted !== 'unknown' && succeeded !== predicted) {
        tell(
          `${name} ${succeeded ? 'installs' : 'fails'}, the drill said otherwise; missing ${JSON.stringify(missing.map((one) => `${one.name}: ${one.problem}`))}; ${output ?? ''}`,
        );
      }
      if (succeeded && code === 0 && readiness !== 1) tell('readiness');
      const surprises = [...this.#front.refused].filter((one) => !lacking.has(one));
      if (surprises.length > 0 && !isUnknown && !isHopeless)
        tell(`${name} was refused ${surprises}, missing are ${[...lacking]}`);
      for (const one of this.#front.asked) asked.add(one);
      isCertain &&= succeeded;
    }
    // What both got through with is what they need, no more and no less.
    if (isCertain && !isUnknown) {
      const needless = [...expected].filter((one) => !asked.has(one));
      const forgotten = [...asked].filter((one) => !expected.has(one));
      // Pages of what is locked by URL are needed by Wheelkeep itself.
      const isByUrl = lock.filename !== 'requirements.txt';
      const wrong = needless.filter((one) => !(isByUrl && this.#world.files.has(one)));
      if (wrong.length > 0) tell(`nobody asked for ${wrong}`);
      if (forgotten.length > 0) tell(`the drill forgot ${forgotten}`);
    }
    if (isWhole && isCertain && code !== 0 && !isUnknown)
      tell('all is here and installs, and the drill says it would not');
    await proxy.close();
    return problems;
  }

  /** What the installer printed when it failed. */
  async #installs(installer: Installer, filename: string): Promise<string | undefined> {
    const machine = await this.#machine();
    const { pip, uv } = this.#tools;
    const lock = join(this.#folder, filename);
    const target = ['--target', join(machine.home, 'installed')];
    const run = () => {
      if (filename === 'uv.lock') return machine.run(uv, ['sync', '--frozen'], this.#folder);
      if (installer === 'pip') return machine.run(pip, ['install', ...target, '-r', lock]);
      if (filename === 'pylock.toml') return machine.run(uv, ['pip', 'install', '--preview', ...target, '-r', lock]);
      return machine.run(uv, ['pip', 'install', ...target, '-r', lock]);
    };
    return run().then(
      () => undefined,
      (error: Error) => error.message,
    );
  }

  async #machine() {
    const home = join(this.#folder, `home-${this.#runs++}`);
    await mkdir(home);
    const python = join(dirname(this.#tools.pip), 'python');
    const more = {
      PIP_RETRIES: '0',
      UV_HTTP_RETRIES: '0',
      UV_PYTHON: python,
      UV_PROJECT_ENVIRONMENT: join(home, 'env'),
    };
    return emptyMachine(home, `${this.#front.url}/simple/`, more);
  }
}

/** Pages and files by name; core metadata and the file that has them are one. */
function fileNames(findings: readonly { readonly what: string; readonly name: string }[]): Set<string> {
  return new Set(findings.filter(({ what }) => what !== 'build').map(({ name }) => name.replace(/\.metadata$/, '')));
}
