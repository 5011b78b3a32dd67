// Small worlds of projects, made by chance from a seed: wheels for here and elsewhere, source distributions with all
// manners of backends, pre-releases, yanked files, files for another Python. What they need to be built is in them.

import type { Random } from '../fuzz/random.ts';
import { type ArchiveMember, tarGz, zip } from './archives.ts';
import { type Distribution, type DistributionOptions, sha256, wheel } from './wheels.ts';

export interface WorldFile {
  readonly distribution: Distribution;
  readonly isYanked: boolean;
}

export interface World {
  readonly files: ReadonlyMap<string, readonly WorldFile[]>;
  /** Requirements as a user writes them, each with `==`. */
  readonly pins: readonly string[];
  /** Requirements as a user writes them for a tool that pins them. */
  readonly wanted: readonly string[];
}

const HERE = `py3-none-manylinux_2_17_${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}`;
const NAMES = ['anna', 'bert', 'carl', 'dora', 'emil', 'frieda'];

export function randomWorld(random: Random): World {
  const files = new Map<string, WorldFile[]>();
  const versionsOf = new Map<string, string[]>();
  for (const [name, distributions] of Object.entries(buildTools())) {
    files.set(
      name,
      distributions.map((distribution) => ({ distribution, isYanked: false })),
    );
  }
  // From the last on, so that each can require what is there already.
  for (const name of [...NAMES].reverse()) {
    const versions = random.pick([
      ['1.0'],
      ['1.0', '1.1'],
      ['1.0', '1.1', '2.0'],
      ['1.0', '1.1', '2.0a1'],
      ['1.0', '2.0'],
    ]);
    const made: WorldFile[] = [];
    for (const version of versions) {
      const requires = NAMES.slice(NAMES.indexOf(name) + 1)
        .filter(() => random.chance(0.3))
        .map((other) => requirement(random, other, versionsOf.get(other)!));
      const options = { name, version, requires, ...(random.chance(0.06) && { requiresPython: '>=3.99' }) };
      const isYanked = random.chance(0.08);
      made.push(...filesOf(random, options).map((distribution) => ({ distribution, isYanked })));
    }
    files.set(name, made);
    versionsOf.set(name, versions);
  }
  const tops = NAMES.slice(0, 3).filter((_, at) => at === 0 || random.chance(0.4));
  const pins = tops.map(
    (name) => `${name}${random.chance(0.2) ? '[more]' : ''}==${random.pick(versionsOf.get(name)!)}`,
  );
  const wanted = tops.map((name) => `${name}${random.chance(0.2) ? '[more]' : ''}`);
  return { files, pins, wanted };
}

function requirement(random: Random, name: string, versions: readonly string[]): string {
  const version = random.pick(versions);
  const specifier = random.pick([
    '',
    '',
    '',
    `>=${version}`,
    `<${version}`,
    `==${version}`,
    `<=${version}`,
    '!=1.1',
    '>=1.0,<2',
  ]);
  const marker = random.pick([
    '',
    '',
    '',
    '; sys_platform == "win32"',
    '; python_version >= "3.8"',
    '; extra == "more"',
  ]);
  return `${name}${random.chance(0.1) ? '[more]' : ''}${specifier}${marker}`;
}

function filesOf(random: Random, options: DistributionOptions): Distribution[] {
  const kinds = random.pick([
    ['any'],
    ['any'],
    ['any', 'source'],
    ['here', 'win'],
    ['here', 'any'],
    ['win', 'source'],
    ['source'],
    ['win'],
  ]);
  return kinds.map((kind) => {
    if (kind === 'source')
      return source(options, styleOf(random), random.chance(0.2), random.chance(0.05) ? '1.2' : '2.2');
    return wheel({
      ...options,
      ...(kind === 'here' && { tag: HERE }),
      ...(kind === 'win' && { tag: 'py3-none-win32' }),
    });
  });
}

export type Style = (typeof STYLES)[number];
const STYLES = [
  'in-tree',
  'in-tree asks',
  'in-tree asks by itself',
  'kit',
  'kit asks',
  'kit asks by itself',
  'setuptools',
  'old setuptools',
  'silent',
] as const;

/** What only a build can tell is rare, for it says nothing of the rest. */
function styleOf(random: Random): Style {
  const style = random.pick(STYLES);
  return style.endsWith('by itself') && random.chance(0.7) ? 'in-tree' : style;
}

const PLAIN_BACKEND = `import glob, os, shutil, zipfile

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    [wheel] = glob.glob("*.whl")
    shutil.copy(wheel, wheel_directory)
    return wheel

build_editable = build_wheel

def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    [wheel] = glob.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" in name]
        archive.extractall(metadata_directory, names)
    return os.path.dirname(names[0])
`;
const hook = (body: string) => `
def get_requires_for_build_wheel(config_settings=None):
    """What it asks for."""
    ${body}
`;
const LITERAL = hook('return ["kit-part"]  # always');
const BY_ITSELF = hook('return open("asks.txt").read().split()');
const LEGACY = `
class Legacy:
    build_wheel = staticmethod(build_wheel)
    prepare_metadata_for_build_wheel = staticmethod(prepare_metadata_for_build_wheel)
    get_requires_for_build_wheel = staticmethod(get_requires_for_build_wheel)

__legacy__ = Legacy()
`;

/** A source distribution that hands out the wheel that was packed into it. */
export function source(
  options: DistributionOptions,
  style: Style,
  asZip: boolean,
  metadataVersion: string,
): Distribution {
  const { name, version } = options;
  const built = wheel(options);
  const root = `${name}-${version}`;
  const metadata = Buffer.from(
    built.metadata.toString().replace('Metadata-Version: 2.2', `Metadata-Version: ${metadataVersion}`),
  );
  const members: ArchiveMember[] = [
    { path: `${root}/PKG-INFO`, bytes: metadata },
    { path: `${root}/${built.filename}`, bytes: built.bytes },
  ];
  const add = (path: string, content: string) => members.push({ path: `${root}/${path}`, bytes: Buffer.from(content) });
  const system = (requires: readonly string[], more: string) =>
    add('pyproject.toml', `[build-system]\nrequires = ${JSON.stringify(requires)}\n${more}\n`);
  const inTree = 'build-backend = "prebuilt"\nbackend-path = ["backend"]';
  add('asks.txt', 'kit-part');
  switch (style) {
    case 'in-tree':
    case 'in-tree asks':
    case 'in-tree asks by itself':
      system(style === 'in-tree asks' ? ['kit'] : [], inTree);
      add(
        'backend/prebuilt.py',
        PLAIN_BACKEND + { 'in-tree': '', 'in-tree asks': LITERAL, 'in-tree asks by itself': BY_ITSELF }[style],
      );
      break;
    case 'kit':
      system(['kit==1.0'], 'build-backend = "kit"');
      break;
    case 'kit asks':
      system(['kit>1'], 'build-backend = "kit"');
      break;
    case 'kit asks by itself':
      system(['kit>=2.0a1'], 'build-backend = "kit"');
      break;
    case 'setuptools':
      system(['setuptools>=61'], 'build-backend = "setuptools.build_meta"');
      break;
    case 'old setuptools':
      system(['setuptools<70'], 'build-backend = "setuptools.build_meta"');
      break;
    case 'silent':
      add('setup.py', '');
  }
  const bytes = asZip ? zip(members) : tarGz(members);
  return { ...built, filename: `${root}.${asZip ? 'zip' : 'tar.gz'}`, bytes, sha256: sha256(bytes), metadata };
}

/** What builds are made with. Each project has versions that nobody takes. */
export function buildTools(): Readonly<Record<string, readonly Distribution[]>> {
  const tool = (
    name: string,
    version: string,
    path: string,
    content: string,
    more: Partial<DistributionOptions> = {},
  ) => wheel({ name, version, files: { [path]: content }, ...more });
  return {
    kit: [
      tool('kit', '1.0', 'kit.py', PLAIN_BACKEND),
      tool('kit', '1.1', 'kit/__init__.py', PLAIN_BACKEND + LITERAL, {
        requires: ['kit-helper', 'windows-only; sys_platform == "win32"'],
      }),
      tool('kit', '2.0a1', 'kit.py', PLAIN_BACKEND + BY_ITSELF),
    ],
    'kit-part': [
      wheel({ name: 'kit-part', version: '3.0' }),
      wheel({ name: 'kit-part', version: '4.0', tag: 'py3-none-win32' }),
    ],
    'kit-helper': [
      source({ name: 'kit-helper', version: '1.0' }, 'kit', false, '2.2'),
      wheel({ name: 'kit-helper', version: '0.9' }),
    ],
    setuptools: ['60.0', '80.0'].map((version) =>
      tool(
        'setuptools',
        version,
        'setuptools/build_meta.py',
        PLAIN_BACKEND + hook(version === '60.0' ? 'return ["wheel"]' : 'return []') + LEGACY,
      ),
    ),
    wheel: [wheel({ name: 'wheel', version: '0.45' })],
    'windows-only': [wheel({ name: 'windows-only', version: '1.0' })],
  };
}
