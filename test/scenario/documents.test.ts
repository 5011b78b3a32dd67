// README and docs/ promise things that a user types. This test runs or looks up whatever needs no network.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { installerVariables } from '../../src/commands/env.ts';
import { startLines } from '../../src/config/start-lines.ts';
import { readYamlFile } from '../../src/config/yaml-file.ts';
import { FIXED, routeOf } from '../../src/http/routes.ts';
import { unknownMetrics, unknownVariables } from '../support/assert/metric-names.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { load } from '../support/proxy/config-world.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const LAUNCHER = join(ROOT, 'bin', 'wheelkeep');
const PAGES = ['README.md', 'SECURITY.md', 'CONTRIBUTING.md', ...globSync('docs/*.md', { cwd: ROOT }).sort()];
/** All pages together. */
const ALL = PAGES.map(text).join('\n');
const ADDRESS = 'http://127.0.0.1:5030/';
const ENV = { PATH: process.env.PATH, HOME: '/nonexistent', WHEELKEEP_UPSTREAM: 'https://index.example/simple/' };

/** Commands of others, of which only what they name of ours is looked at. */
const FOREIGN = ['pip', 'uv', 'curl', 'docker', 'sed', 'export'];

function text(page: string): string {
  return readFileSync(join(ROOT, page), 'utf8');
}

/** The code blocks of a language in `content`; a block inside a list item loses its indentation. */
function blocks(language: string, content: string): string[] {
  const fence = new RegExp(`^( *)\`\`\`${language}\\n(.*?)^ *\`\`\`$`, 'gms');
  return [...content.matchAll(fence)].map(([, indent = '', body = '']) =>
    body.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  );
}

const COMMANDS = blocks('sh', ALL).flatMap((block) => block.trim().split('\n'));

async function helpOf(...args: readonly string[]): Promise<string> {
  return (await run(LAUNCHER, [...args, '--help'], { env: ENV })).stdout;
}

/** The words of a command, without the variables before it; what `eval "$(…)"` holds. */
function wordsOf(line: string): string[] {
  const inner = /^eval "\$\((.*)\)"$/.exec(line)?.[1] ?? line;
  const words = inner.split(' ');
  return words.slice(words.findIndex((word) => !/^[A-Z_]+=/.test(word)));
}

test('every command of the documents is one of ours that exists, or one of a known tool', async (t) => {
  const { scripts } = JSON.parse(text('package.json'));
  for (const line of new Set(COMMANDS)) {
    await t.test(line, async () => {
      const [first = '', ...rest] = wordsOf(line);
      if (first === 'npm') {
        const script = rest[0] === 'run' ? rest[1]! : rest[0]!;
        assert.ok(script === 'ci' || script in scripts, `package.json has no script ${script}`);
      } else if (first === 'npx') {
        assert.equal(rest[0], 'node');
        assert.ok(existsSync(join(ROOT, rest[1]!)), rest[1]);
      } else if (first === 'bin/wheelkeep') {
        // What stands behind `--` belongs to another command.
        const own = rest.includes('--') ? rest.slice(0, rest.indexOf('--')) : rest;
        const help = await helpOf(own[0]!);
        assert.ok(help.startsWith(`Usage: wheelkeep ${own[0]} `), `there is no command ${own[0]}`);
        for (const flag of own.filter((word) => word.startsWith('--'))) {
          assert.match(help, new RegExp(`${flag}\\b`), `wheelkeep ${own[0]} has no ${flag}`);
        }
      } else {
        assert.ok(FOREIGN.includes(first), `this test does not know ${first}`);
      }
      for (const [, path = ''] of line.matchAll(/(deploy\/[\w.-]+)/g)) assert.ok(existsSync(join(ROOT, path)), path);
    });
  }
});

test('commands that ask and change nothing do what the documents say of them', async (t) => {
  const folder = await temporaryFolder(t);
  for (const line of COMMANDS.filter((command) => /bin\/wheelkeep (env|check)\b/.test(command))) {
    const [, ...args] = wordsOf(line);
    const { WHEELKEEP_UPSTREAM: _upstream, ...env } = ENV;
    const ran = run(LAUNCHER, args, { env: { ...env, WHEELKEEP_DATA_DIR: folder }, cwd: ROOT });
    if (args[0] === 'env') assert.match((await ran).stdout, /PIP_INDEX_URL=/, line);
    // Nothing is wrong with the example but that its secret is not here.
    else {
      const told = /^wheelkeep: indexes\.internal\.credentials .*internal-index cannot be read \(ENOENT\)\n$/;
      await assert.rejects(ran, { code: 2, stderr: told }, line);
    }
  }
});

test('the documents tell of every command of the command line', async () => {
  const listed = /^Commands:\n(.*?)\n\n/ms.exec(await helpOf())?.[1] ?? '';
  const names = [...listed.matchAll(/^ {2}(\w+)/gm)].map(([, name]) => name!).filter((name) => name !== 'help');
  assert.ok(names.length > 3);
  const told = (name: string) => new RegExp(`\`(?:wheelkeep )?${name}[ \`]|bin/wheelkeep ${name}\\b`).test(ALL);
  // `serve` is what npm start runs.
  assert.deepEqual(
    names.filter((name) => name !== 'serve' && !told(name)),
    [],
  );
});

test('every address of a local Wheelkeep in the documents leads somewhere', () => {
  const addresses = ALL.match(/http:\/\/127\.0\.0\.1:5030\/[\w./-]*/g) ?? [];
  assert.ok(addresses.length > 5);
  for (const address of addresses) {
    const path = address.slice(ADDRESS.length - 1);
    // The beginning of a file's address, as it stands in the rule for lock files.
    routeOf(path === '/files/https/' ? `${path}files.example/a-1.0.tar.gz` : path, new Set());
  }
});

test("the table of paths is the server's", () => {
  const rows = text('docs/http-api.md').match(/^\| `.*$/gm) ?? [];
  const paths = [...rows.join('\n').matchAll(/`(\/[^`]*)`/g)].map(([, path = '']) => path);
  assert.ok(paths.length > 12);
  const example: Readonly<Record<string, string>> = { '<scheme>': 'https', '<host>': 'files.example', '…': 'x' };
  for (const path of paths) {
    const target = path.replace(/<\w+>|…/g, (part) => example[part] ?? 'example');
    assert.doesNotThrow(() => routeOf(target, new Set(['example'])), path);
  }
  // What the status page is made of is nobody else's.
  const told = (path: string) =>
    /\.(css|js)$/.test(path) || paths.some((one) => one.startsWith(path.replace(/\/$/, '')));
  assert.deepEqual(
    [...FIXED.keys()].filter((path) => !told(path)),
    [],
  );
});

test('the documents name only metrics, labels, values, variables and files that exist', () => {
  for (const page of PAGES) {
    const content = text(page);
    assert.deepEqual(unknownMetrics(content), [], page);
    assert.deepEqual(unknownVariables(content), [], page);
    const files = content.match(/(?<![\w/])(?:src|test|deploy|bin|docs)\/[\w./-]*\w/g) ?? [];
    assert.deepEqual(
      files.filter((file) => !existsSync(join(ROOT, file))),
      [],
      page,
    );
    const { scripts } = JSON.parse(text('package.json'));
    for (const [, script = ''] of content.matchAll(/`npm run ([\w-]+)`/g)) assert.ok(script in scripts, script);
  }
});

/** The anchors that a code host makes of the headings of a page. */
function anchorsOf(page: string): string[] {
  return [...text(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  );
}

test('links inside the documents lead to files and headings that exist', () => {
  for (const page of PAGES) {
    for (const [, target = ''] of text(page).matchAll(/\]\(([^)]+)\)/g)) {
      const [path = '', anchor] = target.split('#');
      const file = path === '' ? page : normalize(join(dirname(page), path));
      assert.ok(existsSync(join(ROOT, file)), `${page}: ${target}`);
      if (anchor !== undefined) assert.ok(anchorsOf(file).includes(anchor), `${page}: ${target}`);
    }
  }
});

test('README links every page of docs/, and stays below 200 lines', () => {
  const readme = text('README.md');
  assert.deepEqual(
    PAGES.filter((page) => page.startsWith('docs/') && !readme.includes(`](${page})`)),
    [],
  );
  assert.ok(readme.split('\n').length <= 200);
});

test('every alert has a section of its own in the runbook, and its runbook_url leads there', () => {
  const { groups } = parse(text('deploy/alerts.yaml'));
  const rules: { alert: string; annotations: { runbook_url: string } }[] = groups.flatMap(
    (group: { rules: unknown[] }) => group.rules,
  );
  assert.ok(rules.length > 5);
  const anchors = anchorsOf('docs/runbook.md');
  for (const { alert, annotations } of rules) {
    assert.equal(annotations.runbook_url, `docs/runbook.md#${alert.toLowerCase()}`);
    assert.ok(anchors.includes(alert.toLowerCase()), `docs/runbook.md has no section ${alert}`);
  }
});

test('the YAML of the documents is right, and the company page says what deploy/wheelkeep.yaml says', () => {
  const given = blocks('yaml', ALL);
  assert.ok(given.length > 1);
  for (const yaml of given) assert.deepEqual(readYamlFile('wheelkeep.yaml', yaml).problems, [], yaml);
  const company = text('docs/company.md');
  const { raw, ...whole } = parse(text('deploy/wheelkeep.yaml'));
  assert.deepEqual(parse(blocks('yaml', company)[0]!), whole);
  // The one about raw mounts stands in a sentence.
  const [, inline = ''] = /\(`(raw: .*?)`\)/.exec(company) ?? [];
  assert.deepEqual(parse(inline), { raw });
});

test('the table of structures has every key that an index, an upstream, a route and a raw mount know', () => {
  const stranger = `
indexes: { a: { upstreams: [{ url: https://index.example/, stranger: 1 }], stranger: 1 } }
routes: [{ names: [x], index: a, stranger: 1 }]
raw: { b: { origin: https://builds.example/, stranger: 1 } }
`;
  const { problems } = readYamlFile('wheelkeep.yaml', stranger);
  const known = problems.map(({ cure }) => /known here: (.*)/.exec(cure)?.[1]?.split(', ') ?? []);
  assert.equal(known.length, 4);
  const page = text('docs/configuration.md');
  const section = page.slice(page.indexOf('## The structures of the YAML file'));
  const documented = new Set([...section.matchAll(/^\| (`[^|]*) \|/gm)].flatMap(([, cell = '']) => cell.match(/\w+/g)));
  for (const key of ['url', 'files_base']) documented.add(key);
  assert.deepEqual([...new Set(known.flat())].sort(), [...documented].sort());
});

test('the first lines and the variables in the documents are those that users see', async (t) => {
  const { config } = await load(t, { machine: { env: { PIP_INDEX_URL: 'https://index.example/simple/' } } });
  const lines = startLines(config, { url: ADDRESS, version: JSON.parse(text('package.json')).version });
  const first = blocks('text', text('README.md')).find((block) => block.startsWith('Wheelkeep'))!;
  const [variables = ''] = blocks('text', text('docs/installers.md'));
  assert.equal(first.trimEnd().replace('/srv/wheelkeep/data', config.dataDir), lines.join('\n'));
  const { stdout } = await run(LAUNCHER, ['env', '--url', 'http://wheelkeep:5030/'], { env: ENV });
  for (const line of variables.trimEnd().split('\n')) assert.ok(stdout.split('\n').includes(line), line);
});

test('the table of installers names every variable that wheelkeep env sets', () => {
  const section = text('docs/installers.md');
  for (const name of Object.keys(installerVariables('http://wheelkeep:5030/'))) {
    assert.ok(section.includes(name), name);
  }
});

test('the rule for lock files turns our addresses back into those of upstream', async (t) => {
  const folder = await temporaryFolder(t);
  const upstream = [
    'source = { registry = "https://index.example/simple/" }',
    'sdist = { url = "https://files.example/packages/ab/demo-1.0.tar.gz", hash = "sha256:00" }',
    '',
  ].join('\n');
  const ours = upstream
    .replace('https://index.example/simple/', `${ADDRESS}simple`)
    .replace('https://files.example/', `${ADDRESS}files/https/files.example/`);
  await writeFile(join(folder, 'uv.lock'), ours);
  const command = COMMANDS.find((line) => line.startsWith('sed '))!;
  await run('sh', ['-c', command], { cwd: folder });
  assert.equal(readFileSync(join(folder, 'uv.lock'), 'utf8'), upstream);
});
