// A small world of packages with every oddity of names and versions that has broken a proxy before, and what an
// installer must make of it. Everything hangs on `wk-app`.

import { readdir } from 'node:fs/promises';
import type { FakeIndex, Listing } from '../support/upstream/fake-index.ts';
import { type Distribution, type DistributionOptions, sdist, wheel } from '../support/upstream/wheels.ts';

const OPTIONS: readonly DistributionOptions[] = [
  {
    name: 'wk-app',
    version: '1.0',
    requires: ['Foo.Bar_baz>=1', 'wk-local', 'wk-epoch', 'wk-yanked', 'wk-source', 'wk-large; python_version>"3"'],
    requiresPython: '>=3.8',
    scripts: { 'wk-app': 'wk_app:VERSION' },
  },
  { name: 'Foo.Bar_baz', version: '1.2.3', requires: ['wk_local >=1.0 , <2'] },
  { name: 'wk-local', version: '1.0+cu1.2' },
  { name: 'wk-epoch', version: '2024.1' },
  { name: 'wk-epoch', version: '1!2.0' },
  { name: 'wk-yanked', version: '1.0' },
  { name: 'wk-yanked', version: '2.0' },
  // More than 2 MB: streamed through with its end held back until the hash is right.
  { name: 'wk-large', version: '3.0', sizeBytes: 5_000_000 },
];

const SOURCE_ONLY: DistributionOptions = { name: 'wk-source', version: '0.1' };

/** The distributions that an install of wk-app takes, by normalized project name. */
export type World = Readonly<Record<string, Distribution>>;

/** Publishes the world, its wheels listed so; wk-yanked 2.0 is yanked, and wk-epoch 2024.1 is older than 1!2.0 in spite of its looks. */
export function publish(index: FakeIndex, listing: Listing = {}): World {
  const world: Record<string, Distribution> = {};
  for (const options of OPTIONS) {
    const distribution = wheel(options);
    index.addListed(options.name, distribution, listing);
    if (!(options.name === 'wk-yanked' && options.version === '2.0')) world[normalized(options.name)] = distribution;
  }
  index.yank('wk-yanked', 'wk_yanked-2.0-py3-none-any.whl', 'broken, "really" & <so>');
  const source = sdist(SOURCE_ONLY);
  index.add(SOURCE_ONLY.name, source);
  return { ...world, 'wk-source': source };
}

/** What an installed world looks like in site-packages: the sorted names of its dist-info folders. */
export function infoFolders(world: World): string[] {
  return Object.entries(world)
    .map(([name, { version }]) => `${name.replaceAll('-', '_')}-${version}.dist-info`)
    .sort();
}

export async function installedFolders(sitePackages: string): Promise<string[]> {
  const names = await readdir(sitePackages);
  // Tools bring their own: virtualenv's helpers and uv's marker are no packages of ours.
  return names.filter((name) => /^(wk_|foo_).*\.dist-info$/.test(name)).sort();
}

/** A requirements file that pins every distribution by its hash. */
export function hashedRequirements(world: World): string {
  return Object.entries(world)
    .map(([name, { version, sha256 }]) => `${name}==${version} --hash=sha256:${sha256}\n`)
    .join('');
}

function normalized(name: string): string {
  return name.toLowerCase().replace(/[-_.]+/g, '-');
}
