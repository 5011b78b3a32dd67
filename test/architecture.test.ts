// The shape of the code: imports point down the layers, and each package of npm is used in the few places meant for it.

import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const FILES = globSync('src/**/*.ts', { cwd: ROOT }).sort();

/** From the bottom up; a file may import its own room and every lower layer (house rules: docs/architecture.md). */
const LAYERS: readonly (readonly string[])[] = [
  ['core'],
  ['http-semantics', 'observe'],
  ['store', 'net', 'pages', 'access', 'policy'],
  ['cache', 'upstream'],
  ['index', 'files', 'raw'],
  ['http', 'status-page', 'locks'],
  ['admin', 'config', 'workers', 'app', 'commands', ''],
];

/** Layers whose rooms know their neighbours: the top one is a whole. */
const TOP = LAYERS.length - 1;

/** A file is found through its project's page, the status page is sent by http, policy judges what a page lists. */
const ALLOWED_ASIDE = new Set(['files -> index', 'http -> status-page', 'pages -> policy']);

/** What other rooms may import of the engine. The room that constructs may import everything. */
const CACHE_FRONT = ['answer.ts', 'profile.ts', 'read-through.ts'];

/** Where each package of npm may be imported: mandated packages in one file, the others where they belong. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  undici: ['src/net/connection.ts'],
  keyv: ['src/store/redis/redis-link.ts'],
  '@keyv/redis': ['src/store/redis/redis-link.ts'],
  'http-proxy': ['src/http/passthrough.ts'],
  'prom-client': ['src/observe/metrics.ts'],
  pino: ['src/observe/log.ts'],
  htmlparser2: ['src/pages/html-document.ts'],
  '@renovatebot/pep440': ['src/locks', 'src/policy'],
  'cli-progress': ['src/commands'],
  commander: ['src/main.ts', 'src/commands'],
  yaml: ['src/config', 'src/commands'],
  zod: ['src/config'],
  'smol-toml': ['src/config', 'src/locks', 'src/commands/named-locks.ts'],
  'lru-cache': [
    'src/cache',
    'src/store',
    'src/net',
    'src/upstream',
    'src/index',
    'src/http',
    'src/access',
    'src/policy',
  ],
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

/** The room of a file: the first folder below src; '' for main.ts. */
function roomOf(file: string): string {
  const [, room = '', ...rest] = file.split('/');
  return rest.length === 0 ? '' : room;
}

function layerOf(file: string): number {
  return LAYERS.findIndex((rooms) => rooms.includes(roomOf(file)));
}

test('every file of src lies in a room of a layer', () => {
  assert.deepEqual(
    FILES.filter((file) => layerOf(file) < 0),
    [],
  );
});

test('imports point down the layers, and neighbours do not know one another', () => {
  const wrong = IMPORTS.filter(({ to }) => to.startsWith('src/')).filter(({ from, to }) => {
    const [own, other] = [roomOf(from), roomOf(to)];
    if (own === other || ALLOWED_ASIDE.has(`${own} -> ${other}`)) return false;
    if (layerOf(to) !== layerOf(from)) return layerOf(to) > layerOf(from);
    return layerOf(from) !== TOP && layerOf(from) !== 1;
  });
  assert.deepEqual(wrong, []);
});

test('the engine is imported by its front alone', () => {
  const inside = IMPORTS.filter(({ from, to }) => roomOf(to) === 'cache' && !['cache', 'app'].includes(roomOf(from)));
  assert.ok(inside.length > 0);
  assert.deepEqual(
    inside.filter(({ to }) => !CACHE_FRONT.includes(basename(to))),
    [],
  );
});

test('no file imports itself by way of others', () => {
  const imports = Map.groupBy(IMPORTS, ({ from }) => from);
  const done = new Set<string>();
  const circles: string[][] = [];
  const visit = (file: string, way: readonly string[]): void => {
    if (way.includes(file)) circles.push([...way.slice(way.indexOf(file)), file]);
    if (done.has(file) || way.includes(file)) return;
    for (const { to } of imports.get(file) ?? []) visit(to, [...way, file]);
    done.add(file);
  };
  for (const file of FILES) visit(file, []);
  assert.deepEqual(circles, []);
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
