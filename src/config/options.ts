// The one table of options: what each is called in the YAML file and in the environment, its unit, its default and
// what it is for. Parsing, `wheelkeep check`, the flags of `serve` and docs/configuration.md all read this.

import {
  basePath,
  baseUrl,
  browserOrigin,
  exactUrl,
  hostName,
  listenAddress,
  network,
  origin,
  redisUrl,
  upstreamAddress,
} from './addresses.ts';
import {
  boolean,
  choice,
  duration,
  integer,
  list,
  path,
  size,
  sizeFrom,
  sizeOrUnlimited,
  text,
  type Unit,
} from './units.ts';

/** One option; `T` is undefined-able when it has no default. */
export interface Option<T> {
  /** Key in the YAML file; a dot nests. */
  readonly name: string;
  readonly variable: string;
  readonly unit: Unit<NonNullable<T>>;
  /** As a user would write it; undefined when the option is unset by default. */
  readonly default: string | undefined;
  readonly description: string;
  readonly example: string;
  /** Never shown. */
  readonly secret: boolean;
}

interface Description {
  readonly description: string;
  readonly example: string;
  readonly secret?: boolean;
}

function variableOf(name: string): string {
  return `WHEELKEEP_${name.toUpperCase().replace('.', '_')}`;
}

function option<T>(name: string, unit: Unit<T & {}>, byDefault: string, about: Description): Option<T> {
  return { secret: false, ...about, name, variable: variableOf(name), unit, default: byDefault };
}

function optional<T>(name: string, unit: Unit<T & {}>, about: Description): Option<T | undefined> {
  return { secret: false, ...about, name, variable: variableOf(name), unit, default: undefined };
}

/** Less could be finished by a client that guesses the rest. */
const MIN_HOLD_BACK_BYTES = 1024;
const HOUR_MS = 3_600_000;
/** Timers of Node wrap beyond 2^31 - 1 ms (24.8 days) and would fire at once. */
const LONGEST_TIMER_MS = 24 * 24 * HOUR_MS;

/** Keyed by the field of Config or of the settings it becomes. */
export const OPTIONS = {
  host: option('host', text, '127.0.0.1', {
    description: 'The address to listen on; `0.0.0.0` for every IPv4 address of the machine.',
    example: '0.0.0.0',
  }),
  port: option('port', integer(0, 65_535), '5030', {
    description: 'The port to listen on; 0 takes a free one.',
    example: '8080',
  }),
  basePath: optional('base_path', basePath, {
    description: 'The path below which everything of the first address lies, for front servers that do not strip it.',
    example: '/wheels',
  }),
  adminListen: optional('admin_listen', listenAddress, {
    description:
      'A second address, for the status page, the administration, metrics and health; they are then nowhere else.',
    example: '127.0.0.1:5031',
  }),
  tlsCertFile: optional('tls.cert_file', path, {
    description: 'PEM file of the certificate of every listener, with its chain; a changed one is taken over at once.',
    example: '/run/secrets/tls.crt',
  }),
  tlsKeyFile: optional('tls.key_file', path, {
    description: 'PEM file of its private key.',
    example: '/run/secrets/tls.key',
  }),
  tlsMinVersion: option('tls.min_version', choice('1.2', '1.3'), '1.2', {
    description: 'The oldest version of TLS that is spoken.',
    example: '1.3',
  }),
  upstream: optional('upstream', list(upstreamAddress), {
    description:
      "The index behind; several are equivalent mirrors of one index. Unset, it is what this machine's installers use.",
    example: 'https://index.example/simple/',
  }),
  fileOrigins: option('file_origins', list(origin), '', {
    description: 'Origins from which files may come although their address is private or their scheme plain http.',
    example: 'http://127.0.0.1:9101',
  }),
  dataDir: option('data_dir', path, './data', {
    description: 'The folder of the cache; the default lies in the checkout, whatever folder a command is typed in.',
    example: '/var/lib/wheelkeep',
  }),
  redisUrl: optional('redis.url', redisUrl, {
    description: 'Redis, through which several nodes share what they know; never needed for a right answer.',
    example: 'redis://redis:6379/0',
  }),
  redisSecret: optional('redis.secret', text, {
    description: "The secret that authenticates what is read back from Redis; unset, the connection's password.",
    example: 'a long random text',
    secret: true,
  }),
  pageFresh: option('page_fresh', duration({ maxMs: LONGEST_TIMER_MS }), '60s', {
    description: 'How long an index page is served without asking upstream again.',
    example: '10m',
  }),
  patience: option('patience', duration({ maxMs: HOUR_MS }), '500ms', {
    description: 'How long a client waits for a revalidation before it gets the copy that is here.',
    example: '200ms',
  }),
  negativeFresh: option('negative_fresh', duration({ maxMs: LONGEST_TIMER_MS }), '60s', {
    description: 'How long a clean "no such project" of upstream is believed.',
    example: '10s',
  }),
  staleIfError: option('stale_if_error', duration({ unlimited: true }), 'unlimited', {
    description: 'How long the last good copy may be served while upstream fails.',
    example: '7d',
  }),
  diskQuota: option('disk_quota', size, '50GB', {
    description: 'How much the cache may occupy; the least recently used files go first.',
    example: '200GB',
  }),
  freeSpaceFloor: option('free_space_floor', size, '1GB', {
    description: 'How much of the disk stays free whatever the quota says; at most a quarter of it.',
    example: '5GB',
  }),
  memory: option('memory', size, '64MB', {
    description: 'How much memory may hold stored entries and rendered pages.',
    example: '512MB',
  }),
  maxPage: option('max_page', size, '64MB', {
    description: 'The largest index page that is accepted.',
    example: '128MB',
  }),
  maxFile: option('max_file', size, '5GB', {
    description: 'The largest file that is accepted.',
    example: '20GB',
  }),
  holdBack: option('hold_back', sizeFrom(MIN_HOLD_BACK_BYTES), '64KiB', {
    description: 'How much of the end of a cold file no client gets before its hash is right.',
    example: '1MB',
  }),
  finishAbandoned: option('finish_abandoned', sizeOrUnlimited, '32MB', {
    description:
      'How much may be missing of a download that its last client has left for it to be finished all the same. One of ' +
      'which half is here always is, with 0 no other; with `unlimited` every one.',
    example: 'unlimited',
  }),
  workers: option('workers', integer(1, 256), '1', {
    description: 'Processes that share the listener.',
    example: '4',
  }),
  drain: option('drain', duration({ maxMs: HOUR_MS }), '5s', {
    description: 'At shutdown, how long new requests are still served while readiness says no.',
    example: '0s',
  }),
  grace: option('grace', duration({ maxMs: HOUR_MS }), '25s', {
    description: 'At shutdown, how long running downloads may take to finish.',
    example: '5m',
  }),
  clientsFile: optional('clients_file', path, {
    description:
      'The file of those who may use the server, made by `wheelkeep client`; unset, everybody may who reaches it.',
    example: '/etc/wheelkeep/clients',
  }),
  trustedProxies: option('trusted_proxies', list(network), '', {
    description: 'Proxies in front whose X-Forwarded-For is believed when the log says who a client is.',
    example: '10.0.0.0/8',
  }),
  allowedHosts: option('allowed_hosts', list(hostName), '', {
    description:
      'Names by which clients may call the server; another one in `Host` is answered 421. Addresses and `localhost` may ' +
      'always; `*` allows every name. Unset, listeners on loopback allow the name in `public_url` and no other, the rest ' +
      'every name.',
    example: 'wheels.example',
  }),
  auditLog: optional('audit_log', path, {
    description:
      'A file to which every order of the administration is appended before it is carried out; unset, none is.',
    example: '/var/log/wheelkeep/audit.jsonl',
  }),
  strictAccept: option('strict_accept', boolean, 'false', {
    description: 'Answer 406 to a client that accepts no format of an index page; otherwise it gets HTML.',
    example: 'true',
  }),
  uploads: option('uploads', boolean, 'false', {
    description: 'Pass uploads through: `POST /legacy/` to the first index, `POST /<index>/legacy/` to that one.',
    example: 'true',
  }),
  uploadUrl: optional('upload_url', exactUrl, {
    description:
      'Where the index of `upstream` takes uploads; unset, `/legacy/` at its origin. With `indexes` it is a key of each.',
    example: 'https://index.example/upload/',
  }),
  xmlRpc: option('xml_rpc', boolean, 'false', {
    description: 'Pass XML-RPC calls through to the first upstream.',
    example: 'true',
  }),
  publicUrl: optional('public_url', baseUrl, {
    description: 'The address by which clients know us; the legacy JSON needs it for absolute links.',
    example: 'https://wheels.example/',
  }),
  absoluteLinks: option('absolute_links', boolean, 'false', {
    description:
      'Write links in JSON pages in full, beginning with `public_url`, for clients that do not resolve relative ones ' +
      '(micropip).',
    example: 'true',
  }),
  browserOrigins: option('browser_origins', list(browserOrigin), '', {
    description:
      'Origins of web pages whose scripts may read index pages, files and metadata (CORS), or `*`. Unset, none may: with ' +
      "it such a page in a colleague's browser reads what only your network can reach.",
    example: 'https://notebooks.example',
  }),
  caFile: optional('ca_file', path, {
    description: 'PEM file of further certificate authorities for upstreams and Redis, beside those of the system.',
    example: '/etc/ssl/company.pem',
  }),
  logLevel: option('log_level', choice('debug', 'info', 'warn', 'error'), 'info', {
    description: 'The least important lines that are logged.',
    example: 'warn',
  }),
  logFormat: option('log_format', choice('text', 'json'), 'text', {
    description: 'One JSON object a line, or text for people.',
    example: 'json',
  }),
};

/** The variable that names the YAML file; the file cannot name itself. */
export const CONFIG_VARIABLE = 'WHEELKEEP_CONFIG';

/** The key of an option in the program. */
export type OptionKey = keyof typeof OPTIONS;

/** The checked value of every option, by key. */
export type Settings = {
  readonly [K in OptionKey]: (typeof OPTIONS)[K] extends Option<infer T> ? T : never;
};

/** Keys that only the YAML file has, because they hold structures; for docs/configuration.md and for suggestions. */
export const STRUCTURES = [
  { name: 'indexes', description: 'Several indexes by name, each with its upstreams; instead of `upstream`.' },
  { name: 'default', description: 'The order in which `/simple/` asks the indexes; unset, as they stand.' },
  { name: 'routes', description: 'Project names that are only ever asked at one index.' },
  {
    name: 'policy',
    description:
      'Which releases are kept out, and for how long: see supply-chain.md. It may change while the server runs.',
  },
  { name: 'raw', description: 'Further origins, forwarded unchanged under `/raw/<name>/` and cached by RFC 9111.' },
] as const;

// The table of options in docs/configuration.md, generated from the one table.

/** Markdown: one row an option, then the keys that only the YAML file has. */
export function optionsTable(): string {
  const rows = Object.values(OPTIONS).map((option) => [
    `\`${option.name}\``,
    `\`${option.variable}\``,
    option.unit.name,
    option.default ? `\`${option.default}\`` : '',
    option.description,
    `\`${option.example}\``,
  ]);
  const structures = STRUCTURES.map(({ name, description }) => [`\`${name}\``, '', 'YAML', '', description, '']);
  const file = ['', `\`${CONFIG_VARIABLE}\``, 'path', '', 'The YAML file.', '`wheelkeep.yaml`'];
  const heading = ['key', 'variable', 'unit', 'default', 'what it is', 'example'];
  const table = [heading, heading.map(() => '---'), file, ...rows, ...structures];
  return table.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
