// The YAML file: read, every key known, every structure checked. Scalars stay as they are written, because one parser
// (units.ts) reads them from file, environment and flags alike. Loaded only when a file is named: zod and yaml cost
// a tenth of a second of start and megabytes that a sidecar without a file need not pay.

import { basename } from 'node:path';
import { isNode, isScalar, LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { baseUrl, exactUrl, listenAddress, origin, upstreamAddress } from './addresses.ts';
import { OPTIONS, STRUCTURES } from './options.ts';
import { policyBlock } from './policy-block.ts';
import { nearest, type Problem } from './problems.ts';
import { duration, size } from './units.ts';
import { inUnit, record } from './yaml-values.ts';

const CREDENTIALS = 'expected exactly one of basic_file, bearer_file, basic, bearer and netrc: true';
const credentials = record({
  basic_file: z.string().optional(),
  bearer_file: z.string().optional(),
  basic: z.string().optional(),
  bearer: z.string().optional(),
  netrc: z.literal(true, { error: 'expected true' }).optional(),
}).refine((given) => Object.keys(given).length === 1, { error: CREDENTIALS });

const clientCertificate = record({
  cert_file: z.string({ error: 'expected the path of a PEM file' }),
  key_file: z.string({ error: 'expected the path of a PEM file' }),
});

const upstream = z.union(
  [
    inUnit(upstreamAddress).transform((address) => ({
      address,
      credentials: undefined,
      filesBase: undefined,
      clientCertificate: undefined,
    })),
    record({
      url: inUnit(upstreamAddress),
      credentials: credentials.optional(),
      files_base: inUnit(baseUrl).optional(),
      client_certificate: clientCertificate.optional(),
    }).transform((given) => ({
      address: given.url,
      credentials: given.credentials,
      filesBase: given.files_base,
      clientCertificate: given.client_certificate,
    })),
  ],
  { error: 'expected an http or https URL, or { url, credentials, files_base, client_certificate }' },
);

const NAME = 'expected a name of small letters, digits, "-", "_" and ".", beginning with a letter or digit';
const name = z.string().regex(/^[a-z0-9][a-z0-9._-]*$/, { error: NAME });

const index = record({
  upstreams: z.array(upstream, { error: 'expected a list of URLs' }).min(1, { error: 'expected at least one URL' }),
  credentials: credentials.optional(),
  client_certificate: clientCertificate.optional(),
  changed_files: z.enum(['refuse', 'accept'], { error: 'expected refuse or accept' }).default('refuse'),
  order: z.enum(['configured', 'latency'], { error: 'expected configured or latency' }).default('configured'),
  missing_statuses: z
    .array(z.int({ error: 'expected statuses from 400 to 499' }).min(400).max(499), {
      error: 'expected a list of statuses, for example [403]',
    })
    .default([]),
  page_origins: z.array(inUnit(origin), { error: 'expected a list of origins' }).default([]),
  accept: z.enum(['any', 'json', 'html'], { error: 'expected any, json or html' }).default('any'),
  extract_metadata: z.boolean({ error: 'expected true or false' }).default(false),
  pass_ranges: z.boolean({ error: 'expected true or false' }).default(false),
  policy: z.union([z.literal('none'), policyBlock], { error: 'expected none, or a policy of its own' }).optional(),
  /** A redirect of a page to another origin, a login above all, means "not here". */
  missing_redirects: z.boolean({ error: 'expected true or false' }).default(false),
  upload_url: inUnit(exactUrl).optional(),
});

const PATTERN = 'expected a project name in which * stands for any run, for example acme-*';
const route = record({
  names: z
    .array(z.string().regex(/^[A-Za-z0-9._*-]+$/, { error: PATTERN }), { error: 'expected a list of names' })
    .min(1, { error: 'expected at least one name' }),
  index: z.string({ error: 'expected the name of an index' }),
});

const mount = record({
  origin: inUnit(baseUrl),
  listen: inUnit(listenAddress).optional(),
  stale_if_error: inUnit(duration({ unlimited: true })).optional(),
  override_cache_control: z.string({ error: 'expected a Cache-Control value, for example max-age=3600' }).optional(),
  redirect_origins: z.array(inUnit(origin), { error: 'expected a list of origins' }).default([]),
  max_body: inUnit(size).optional(),
  credentials: credentials.optional(),
});

const named = (what: string) => (issue: { readonly code: string }) =>
  issue.code === 'invalid_key' ? NAME : `expected names, each with its ${what}`;

const structures = z.object({
  indexes: z.record(name, index, { error: named('upstreams') }).optional(),
  default: z.array(z.string(), { error: 'expected a list of index names' }).optional(),
  routes: z.array(route, { error: 'expected a list of { names, index }' }).default([]),
  policy: policyBlock.optional(),
  raw: z.record(name, mount, { error: named('origin') }).default({}),
});

/** `credentials` as the file has it. */
export type CredentialsRecord = z.output<typeof credentials>;
/** `client_certificate` as the file has it. */
export type ClientCertificateRecord = z.output<typeof clientCertificate>;
/** The structures of the file, checked. */
export type Structures = z.output<typeof structures>;

/** What a file says: scalars by dotted key, structures checked, and where each key stands. */
export interface YamlFile {
  readonly scalars: ReadonlyMap<string, unknown>;
  readonly structures: Structures;
  /** Where a dotted key stands: `wheelkeep.yaml line 3`. */
  sourceOf(key: string): string;
  readonly problems: readonly Problem[];
}

/** Reads the text of a YAML file; mistakes are collected in `problems`, never thrown. */
export function readYamlFile(path: string, content: string): YamlFile {
  const file = basename(path);
  const lines = new LineCounter();
  const document = parseDocument(content, { lineCounter: lines, merge: true });
  const none = { scalars: new Map<string, unknown>(), structures: structures.parse({}) };
  if (document.errors.length > 0) {
    const problems = document.errors.map(
      (error): Problem => ({
        key: file,
        value: undefined,
        source: `line ${error.linePos?.[0].line ?? 1}`,
        cure: `this is no valid YAML: ${error.message.split('\n', 1)[0]}`,
      }),
    );
    return { ...none, sourceOf: () => file, problems };
  }
  const sourceOf = (key: string): string => {
    // A key that is missing is told by the line of what should hold it.
    for (let path = key.split('.'); path.length > 0; path = path.slice(0, -1)) {
      const found = document.getIn(path, true);
      if (isNode(found) && found.range) return `${file} line ${lines.linePos(found.range[0]).line}`;
    }
    return file;
  };
  const tree: unknown = document.toJS() ?? {};
  if (!isPlainObject(tree)) {
    const problem = {
      key: file,
      value: undefined,
      source: 'line 1',
      cure: 'expected keys with values, for example port: 5030',
    };
    return { ...none, sourceOf, problems: [problem] };
  }

  const problems: Problem[] = [];
  const scalars = new Map<string, unknown>();
  const structured: Record<string, unknown> = {};
  const known = [...Object.values(OPTIONS).map((option) => option.name), ...STRUCTURES.map((entry) => entry.name)];
  const isStructure = (key: string) => STRUCTURES.some((entry) => entry.name === key);
  const visit = (branch: object, prefix: string): void => {
    for (const [part, value] of Object.entries(branch)) {
      const key = prefix + part;
      if (isStructure(key)) structured[key] = value;
      else if (known.includes(key)) scalars.set(key, value);
      else if (known.some((other) => other.startsWith(`${key}.`)) && isPlainObject(value)) visit(value, `${key}.`);
      else {
        const guess = nearest(key, known);
        const cure = guess ? `unknown key; did you mean ${guess}?` : 'unknown key';
        problems.push({ key, value: undefined, source: sourceOf(key), cure });
      }
    }
  };
  visit(tree, '');

  const checked = structures.safeParse(structured);
  for (const { path, message } of (checked.error?.issues ?? []).flatMap(mistakes)) {
    const key = path.join('.');
    const found = document.getIn(path, true);
    const shown = isScalar(found) && !path.includes('credentials') ? String(found.value) : undefined;
    const cure = found === undefined && !message.startsWith('is missing') ? `is missing; ${message}` : message;
    problems.push({ key, value: shown, source: sourceOf(key), cure });
  }
  return { scalars, structures: checked.data ?? none.structures, sourceOf, problems };
}

/** One mistake an issue, but: each unknown key is one, and of an upstream's two notations the one that was used counts. */
function mistakes(issue: z.core.$ZodIssue): { readonly path: PropertyKey[]; readonly message: string }[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...issue.path, key], message: issue.message }));
  }
  if (issue.code !== 'invalid_union') return [issue];
  const [asText = [], asRecord = []] = issue.errors;
  const used = asRecord.some(({ code, path }) => code === 'invalid_type' && path.length === 0) ? asText : asRecord;
  return used.flatMap((inner) => mistakes({ ...inner, path: [...issue.path, ...inner.path] }));
}

function isPlainObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
