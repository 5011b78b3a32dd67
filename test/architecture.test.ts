// The shape of the code: imports point down the layers, and each package of npm is used in the few places meant for it.

import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const FILES = globSync('src/**/*.ts', { cwd: ROOT }).sort();

/** From the bottom up; a file of a folder may import its own folder and every lower layer. */
const LAYERS: readonly (readonly string[])[] = [
  [
    'src/error-codes.ts',
    'src/errors.ts',
    'src/http-message.ts',
    'src/asking-client.ts',
    'src/fair-shares.ts',
    'src/observe',
  ],
  ['src/cache', 'src/upstream', 'src/policy'],
  ['src/index', 'src/files', 'src/raw'],
  ['src/http', 'src/status-page', 'src/locks'],
  // What lies beside the folders is the top as well (app.ts, main.ts, …), but for the files of the first line.
  ['src', 'src/assembly', 'src/commands', 'src/config', 'src/workers'],
];

/** Folders of one layer that must not know one another; the top layer and the bottom one are each a whole. */
const APART = ['src/cache', 'src/upstream', 'src/policy', 'src/index', 'src/files', 'src/raw'];

/** The one exception: a file is found through its project's page. */
const ALLOWED_ASIDE = new Set(['src/files -> src/index']);

/** Where each package of npm may be imported: mandated packages in one file, the others where they belong. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  undici: ['src/upstream/connection.ts'],
  keyv: ['src/cache/redis-link.ts'],
  '@keyv/redis': ['src/cache/redis-link.ts'],
  'http-proxy': ['src/http/passthrough.ts'],
  'prom-client': ['src/observe/metrics.ts'],
  pino: ['src/observe/log.ts'],
  htmlparser2: ['src/index/html-document.ts'],
  '@renovatebot/pep440': ['src/index', 'src/locks', 'src/policy'],
  'cli-progress': ['src/commands'],
  commander: ['src/main.ts', 'src/commands'],
  yaml: ['src/config', 'src/commands'],
  zod: ['src/config'],
  'smol-toml': ['src/locks', 'src/commands/named-locks.ts'],
  'lru-cache': ['src/cache', 'src/upstream', 'src/index', 'src/http', 'src/policy'],
};

interface Import {
  readonly from: string;
  /** A file of src/, or the name of a package. */
  readonly to: string;
}

const IMPORTS: readonly Import[] = FILES.flatMap((from) => {
  const text = readFileSync(join(ROOT, from), 'utf8');
  // Statements begin a line (the linter formats them so), dynamic imports stand anywhere.
  const named = [...text.matchAll(/^(?:import|export) (?:[^;]*? from )?'([^']+)';|\bimport\('([^']+)'\)/gm)];
  return named.map(([, first, second]) => {
    const to = first ?? second!;
    return { from, to: to.startsWith('.') ? join(dirname(from), to) : to };
  });
});

/** The folder of src/ to which a file belongs; a file of the first layer stands for itself. */
function unitOf(file: string): string {
  if (LAYERS[0]!.includes(file)) return file;
  return file.split('/').slice(0, -1).slice(0, 2).join('/');
}

function layerOf(file: string): number {
  return LAYERS.findIndex((units) => units.includes(unitOf(file)));
}

test('every file of src belongs to a layer', () => {
  assert.deepEqual(
    FILES.filter((file) => layerOf(file) < 0),
    [],
  );
});

test('imports point down the layers, and neighbours that are meant to be apart do not know one another', () => {
  const wrong = IMPORTS.filter(({ to }) => to.startsWith('src/')).filter(({ from, to }) => {
    const [own, other] = [unitOf(from), unitOf(to)];
    if (own === other || ALLOWED_ASIDE.has(`${own} -> ${other}`)) return false;
    if (layerOf(to) !== layerOf(from)) return layerOf(to) > layerOf(from);
    return APART.includes(own);
  });
  assert.deepEqual(wrong, []);
});

test('every import inside src leads to a file of src', () => {
  const inside = IMPORTS.filter(({ to }) => to.startsWith('src/') && to !== 'src/../package.json');
  assert.ok(inside.length > FILES.length, 'the imports were read');
  assert.deepEqual(
    inside.filter(({ to }) => !FILES.includes(to)),
    [],
  );
});

test('each package of npm is imported only where it is meant to be', () => {
  const wrong = IMPORTS.filter(({ to }) => !to.startsWith('src/') && !to.startsWith('node:')).filter(
    ({ from, to }) => !(PACKAGES[to] ?? []).some((place) => from === place || from.startsWith(`${place}/`)),
  );
  assert.deepEqual(wrong, []);
});

test('every package that is imported is a dependency of package.json', () => {
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const imported = new Set(IMPORTS.map(({ to }) => to).filter((to) => !/^(src\/|node:)/.test(to)));
  assert.deepEqual(
    [...imported].filter((name) => !(name in dependencies)),
    [],
  );
});

test("Node's own modules are imported by their node: names", () => {
  const plain = new Set(builtinModules.filter((name) => !name.startsWith('node:')));
  assert.deepEqual(
    IMPORTS.filter(({ to }) => plain.has(to)),
    [],
  );
});
