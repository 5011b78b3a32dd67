// Writes the generated parts of docs/: options, metrics, error codes and the tree of src/, each between two markers.
// `npm run docs` runs it; test/unit/generated-docs.test.ts fails when a page is behind the code.

import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { optionsTable } from '../src/config/options.ts';
import { errorCodesTable } from '../src/core/errors.ts';
import { metricsTable } from '../src/observe/metric-table.ts';

/** Characters of a file's line in the tree. */
const LONGEST_LINE = 130;

const ROOT = fileURLToPath(new URL('../', import.meta.url));

/** What each folder is for, in the order in which one reads the code: from the whole machine down to its words. */
const FOLDERS: Readonly<Record<string, string>> = {
  '': 'the command line',
  app: 'constructs everything, and is the only room that does',
  commands: 'one file a command',
  config: 'options, the YAML file, the upstream of this machine',
  workers: 'several processes that share one listener',
  admin: 'what operators may ask and order: status, explain, purge',
  http: 'speaks HTTP to clients',
  'status-page': 'the page for a person',
  locks: 'reads lock files',
  index: 'answers index pages',
  files: 'answers distribution files and core metadata',
  raw: 'any other origin, cached by RFC 9111 alone',
  upstream: 'one index behind several mirrors',
  cache: 'the engine: lookup, freshness, one fetch a key, stale copies',
  policy: 'supply-chain rules: the verdict on a file',
  pages: 'the page model: parse, render, compare, negotiate',
  net: 'speaks HTTP to anybody: connections, egress guard, credentials, redirects',
  access: 'who may ask: clients, hosts, tokens, TLS identity',
  'store/entries': 'validators, times and decisions: memory, SQLite, records',
  'store/blobs': 'bodies on disk by digest, and the space that they take',
  'store/redis': 'what nodes share',
  'http-semantics': 'RFC 9110, 9111 and 9211 as pure functions',
  observe: 'metrics, log, events',
  core: 'what every room may use: errors, messages, deadlines, digests',
};

/** The generated region of each page of docs/: the name of its markers, and what stands between them. */
const REGIONS: Readonly<Record<string, readonly [marker: string, generate: () => string]>> = {
  'configuration.md': ['options', optionsTable],
  'metrics.md': ['metrics', metricsTable],
  'errors.md': ['errors', errorCodesTable],
  'architecture.md': ['tree', sourceTree],
};

/** The pages of docs/ that have a generated part. */
export const GENERATED_PAGES: readonly string[] = Object.keys(REGIONS);

/** `text` of a page of docs/ with its generated part up to date. Throws an Error when a marker is missing. */
export function withGeneratedPart(page: string, text: string): string {
  const [marker, generate] = REGIONS[page]!;
  const [opening, closing] = [`<!-- ${marker} -->`, `<!-- /${marker} -->`];
  const start = text.indexOf(opening);
  const end = text.indexOf(closing);
  if (start < 0 || end < start) throw new Error(`docs/${page} needs the lines ${opening} and ${closing}`);
  return `${text.slice(0, start + opening.length)}\n${generate().trimEnd()}\n${text.slice(end)}`;
}

function writePages(): void {
  for (const page of GENERATED_PAGES) {
    const path = `${ROOT}docs/${page}`;
    writeFileSync(path, withGeneratedPart(page, readFileSync(path, 'utf8')));
  }
}

/** Markdown: a list for each folder of src/, a line for each file: the first sentence of its opening comment. */
export function sourceTree(): string {
  const files = globSync('**/*.ts', { cwd: `${ROOT}src` }).sort();
  const unknown = files.map(folderOf).find((folder) => !(folder in FOLDERS));
  if (unknown !== undefined) throw new Error(`docs/generate.ts must say what src/${unknown}/ is for`);
  return Object.entries(FOLDERS)
    .map(([folder, purpose]) => ({ folder, purpose, inside: files.filter((file) => folderOf(file) === folder) }))
    .filter(({ inside }) => inside.length > 0)
    .map(({ folder, purpose, inside }) => {
      const lines = inside.map((file) => `- \`${file.slice(file.lastIndexOf('/') + 1)}\`: ${openingSentence(file)}`);
      return [`**\`src/${folder === '' ? '' : `${folder}/`}\`**: ${purpose}`, '', ...lines, ''].join('\n');
    })
    .join('\n');
}

function folderOf(file: string): string {
  return file.slice(0, Math.max(0, file.lastIndexOf('/')));
}

/** The first sentence of the comment that opens a file; of a long one what fits on a line, up to a comma or colon. */
function openingSentence(file: string): string {
  const lines = readFileSync(`${ROOT}src/${file}`, 'utf8').split('\n');
  // A comment may go on with a drawing, which is indented.
  const length = lines.findIndex((line) => !/^\/\/ ?\S/.test(line));
  if (length < 1) throw new Error(`src/${file} must open with a comment on its purpose`);
  const comment = lines
    .slice(0, length)
    .map((line) => line.replace(/^\/\/ ?/, ''))
    .join(' ');
  const sentence = /^.*?[.?!](?= |$)/.exec(comment)?.[0] ?? comment.replace(/:$/, '.');
  if (sentence.length <= LONGEST_LINE) return sentence;
  const pauses = [...sentence.slice(0, LONGEST_LINE).matchAll(/[,;:] /g)].map(({ index }) => sentence.slice(0, index));
  const whole = pauses.findLast((part) => part.split('(').length === part.split(')').length);
  return whole === undefined ? sentence : `${whole}.`;
}

if (import.meta.main) writePages();
