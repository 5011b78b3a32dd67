// Asks the server that runs on this configuration: its address is the configuration's, its token lies in the data
// folder, so a user who may read the folder may ask.

import { readAdminToken } from '../access/admin-token.ts';
import { type LoadedConfig, loadConfig } from '../config/load.ts';
import { administrationUrl } from '../config/own-addresses.ts';
import { CommandFailure, configInput, type Terminal } from './command-line.ts';
import { askOwnServer, NoOwnServer } from './own-request.ts';

/** One question or order to the administration (http/admin-api.ts). */
export interface AdminRequest {
  /** `status`, `explain?project=numpy`, … */
  readonly path: string;
  /** Makes it a POST. */
  readonly body?: unknown;
}

/** How long an answer may take; a purge of everything walks through the whole store. */
const TIMEOUT_MS = 120_000;

/** What to do about a server that is not where it was looked for. */
export const NO_SERVER_CURE =
  'start one by wheelkeep serve, or say by --config, --host, --port or WHEELKEEP_ variables what it was started with';

/** Resolves with the server's answer. Rejects with ConfigurationError, or CommandFailure when none runs or it refuses. */
export async function askRunningServer(
  terminal: Terminal,
  given: Readonly<Record<string, unknown>>,
  request: AdminRequest,
): Promise<unknown> {
  return ask(await loadConfig(configInput(terminal, given), { notes: false }), request);
}

async function ask({ config, read }: LoadedConfig, { path, body }: AdminRequest): Promise<unknown> {
  const url = administrationUrl(read.settings);
  const { dataDir } = config;
  const token = readAdminToken(dataDir);
  if (token === undefined) {
    throw new CommandFailure(`no server has run on ${dataDir}: it holds no token; name its folder by --data-dir`);
  }
  const { status, text } = await askOwnServer({
    url: `${url}-/api/${path}`,
    fields: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    timeoutMs: TIMEOUT_MS,
    certFile: config.tls?.certFile,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  }).catch((error) => {
    if (!(error instanceof NoOwnServer)) throw error;
    throw new CommandFailure(`no server answers at ${url} (${error.message}); ${NO_SERVER_CURE}`);
  });
  const answer = jsonOf(text);
  if (status === 200 && answer !== undefined) return answer;
  const hint = status === 401 ? ' It runs on another data folder; name that by --data-dir.' : '';
  throw new CommandFailure(`${url} refused: ${answer?.detail ?? `status ${status}`}${hint}`);
}

function jsonOf(text: string): { readonly detail?: string } | undefined {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}
