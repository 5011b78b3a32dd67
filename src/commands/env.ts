// `wheelkeep env`: the variables that point installers at us, in the notation of a shell, a dotenv file or a CI system.

import { Command, Option } from 'commander';
import { baseUrl, withoutSecrets } from '../config/addresses.ts';
import { clientUrl, untrustedHost } from '../config/own-addresses.ts';
import { ConfigurationError } from '../config/problems.ts';
import { readSettings } from '../config/settings.ts';
import { InvalidValue } from '../config/units.ts';
import {
  CommandFailure,
  configInput,
  outJson,
  type Terminal,
  WRONG_USAGE,
  withConfigFlags,
  withJsonFlag,
} from './command-line.ts';

/** Each notation writes one variable; `note` writes a remark, where the notation has remarks. */
interface Notation {
  /** Stands before the first variable. */
  readonly head?: string;
  set(name: string, value: string): string;
  readonly note: ((text: string) => string) | undefined;
}

const hash = (text: string) => `# ${text}`;

/** Values are URLs and host names of ours: they hold no quote, so each notation's plain quotes are enough. */
const NOTATIONS: Readonly<Record<string, Notation>> = {
  sh: { set: (name, value) => `export ${name}='${value}'`, note: hash },
  fish: { set: (name, value) => `set -gx ${name} '${value}'`, note: hash },
  powershell: { set: (name, value) => `$env:${name} = '${value}'`, note: hash },
  dotenv: { set: (name, value) => `${name}=${value}`, note: hash },
  github: { set: (name, value) => `${name}=${value}`, note: undefined },
  gitlab: { head: 'variables:', set: (name, value) => `  ${name}: '${value}'`, note: hash },
  dockerfile: { set: (name, value) => `ENV ${name}='${value}'`, note: hash },
};

const EXAMPLES = `
Examples:
  $ eval "$(wheelkeep env)"
  > wheelkeep env --format powershell | Out-String | Invoke-Expression
  $ wheelkeep env --format dotenv > .env
  $ wheelkeep env --format github --url http://wheelkeep:5030/ >> "$GITHUB_ENV"
  $ wheelkeep env --format gitlab --url http://wheelkeep:5030/       a block for .gitlab-ci.yml
  $ wheelkeep env --format dockerfile --url http://wheelkeep:5030/   lines behind FROM
  $ wheelkeep env --json | jq -r .PIP_INDEX_URL

Exit codes: 0 printed, 2 the command line or the configuration is wrong.`;

const CREDENTIALS = 'Clients have to prove who they are: say it by --url https://NAME:PASSWORD@…';

/** `wheelkeep env`. */
export function envCommand(terminal: Terminal): Command {
  return withJsonFlag(withConfigFlags(new Command('env'), ['config', 'host', 'port']), 'print the variables as JSON')
    .description('print the variables that point pip, uv, PDM and pipenv at Wheelkeep')
    .addOption(new Option('--format <format>', 'the notation').choices(Object.keys(NOTATIONS)).default('sh'))
    .option(
      '--url <url>',
      'the address of Wheelkeep, with NAME:PASSWORD@ where it asks for that; unset, public_url, or host and port',
    )
    .addHelpText('after', EXAMPLES)
    .action(async (given: Record<string, unknown>) => {
      const { settings, problems } = await readSettings(configInput(terminal, given));
      if (problems.length > 0) throw new ConfigurationError(problems);
      const url = typeof given.url === 'string' ? named(given.url) : (settings.publicUrl ?? clientUrl(settings));
      const variables = installerVariables(url);
      if (given.json === true) return outJson(terminal, variables);
      const { head, set, note } = NOTATIONS[String(given.format)]!;
      if (head !== undefined) terminal.out(head);
      for (const [name, value] of Object.entries(variables)) terminal.out(set(name, value));
      if (note) for (const line of poetryNotes(url)) terminal.out(note(line));
      if (note && settings.clientsFile !== undefined && !url.includes('@')) terminal.out(note(CREDENTIALS));
    });
}

/** What `--url` says. */
function named(text: string): string {
  try {
    return addressOf(text);
  } catch (error) {
    if (!(error instanceof InvalidValue)) throw error;
    throw new CommandFailure(`--url = ${withoutSecrets(text)}: ${error.message}`, WRONG_USAGE);
  }
}

/** An address, with the credentials of a client where it has some. Throws InvalidValue. */
function addressOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.username === '' && url.password === '')) return baseUrl.parse(text);
  const credentials = `${url.username}:${url.password}`;
  url.username = '';
  url.password = '';
  // Neither may end the quotes around it, nor be read as a variable.
  const safe = credentials.replaceAll("'", '%27').replaceAll('$', '%24');
  return baseUrl.parse(url.href).replace('://', () => `://${safe}@`);
}

/** Poetry has its sources in the project, whose files are no place for a password. */
function poetryNotes(url: string): string[] {
  const bare = url.replace(/\/\/[^/]*@/, '//');
  return [
    `Poetry reads no address; in the project: poetry source add --priority=primary wheelkeep ${bare}simple/`,
    ...(bare === url ? [] : ['and name and password in POETRY_HTTP_BASIC_WHEELKEEP_USERNAME and _PASSWORD']),
  ];
}

/** The variables for the Wheelkeep at `url` (with its final slash). */
export function installerVariables(url: string): Readonly<Record<string, string>> {
  const index = `${url}simple/`;
  const untrusted = untrustedHost(url);
  return {
    PIP_INDEX_URL: index,
    // pip ignores links over plain http from anywhere but loopback, unless the host is named.
    ...(untrusted && { PIP_TRUSTED_HOST: untrusted }),
    UV_DEFAULT_INDEX: index,
    PDM_PYPI_URL: index,
    // PDM finds by the same rule as pip; this switch is its way to trust the host of an index.
    ...(untrusted && { PDM_PYPI_VERIFY_SSL: 'false' }),
    PIPENV_PYPI_MIRROR: index,
  };
}
