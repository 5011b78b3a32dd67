// Asks the server that runs on this configuration: its address is the configuration's, its token lies in the data
// folder, so whoever may read the folder may ask.

import { type LoadedConfig, loadConfig } from '../config/load.ts';
import { administrationUrl } from '../config/own-addresses.ts';
import { ConfigurationError } from '../config/problems.ts';
import { readAdminToken } from '../http/admin-token.ts';
import { configInput, type ExitCode, FAILED, type Terminal, WRONG_USAGE } from './command-line.ts';
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

/** What keeps us from an answer, in one sentence. */
class NoAnswer extends Error {}

/**
 * Calls `use` with the server's answer. What is wrong is told on the terminal and by the exit code: 2 for the
 * configuration, 1 when no server runs or it refuses.
 */
export async function askRunningServer(
  terminal: Terminal,
  exitCode: ExitCode,
  given: Readonly<Record<string, unknown>>,
  request: AdminRequest,
  use: (answer: unknown) => void,
): Promise<void> {
  try {
    use(await ask(await loadConfig(configInput(terminal, given), { notes: false }), request));
  } catch (error) {
    if (!(error instanceof ConfigurationError) && !(error instanceof NoAnswer)) throw error;
    terminal.error(error.message);
    exitCode.value = error instanceof NoAnswer ? FAILED : WRONG_USAGE;
  }
}

async function ask({ config, read }: LoadedConfig, { path, body }: AdminRequest): Promise<unknown> {
  const url = administrationUrl(read.settings);
  const token = readAdminToken(config.dataDir);
  if (token === undefined) throw new NoAnswer(`no server has run on ${config.dataDir}: it holds no token`);
  const { status, text } = await askOwnServer({
    url: `${url}-/api/${path}`,
    fields: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    timeoutMs: TIMEOUT_MS,
    certFile: config.tls?.certFile,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  }).catch((error) => {
    if (!(error instanceof NoOwnServer)) throw error;
    throw new NoAnswer(`no server answers at ${url} (${error.message})`);
  });
  const answer = jsonOf(text);
  if (status === 200 && answer !== undefined) return answer;
  const hint = status === 401 ? ' It runs on another data folder.' : '';
  throw new NoAnswer(`${url} refused: ${answer?.detail ?? `status ${status}`}${hint}`);
}

function jsonOf(text: string): { readonly detail?: string } | undefined {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}
