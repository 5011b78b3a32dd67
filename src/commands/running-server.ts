// Asks the server that runs on this configuration: its address is the configuration's, its token lies in the data
// folder, so whoever may read the folder may ask.

import { loadConfig } from '../config/load.ts';
import { administrationUrl } from '../config/own-addresses.ts';
import { ConfigurationError } from '../config/problems.ts';
import { readAdminToken } from '../http/admin-token.ts';
import { configInput, type ExitCode, FAILED, type Terminal, WRONG_USAGE } from './command-line.ts';

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
    const { config } = await loadConfig(configInput(terminal, given), { notes: false });
    use(await ask(administrationUrl(config), config.dataDir, request));
  } catch (error) {
    if (!(error instanceof ConfigurationError) && !(error instanceof NoAnswer)) throw error;
    terminal.error(error.message);
    exitCode.value = error instanceof NoAnswer ? FAILED : WRONG_USAGE;
  }
}

async function ask(url: string, dataDir: string, { path, body }: AdminRequest): Promise<unknown> {
  const token = readAdminToken(dataDir);
  if (token === undefined) throw new NoAnswer(`no server has run on ${dataDir}: it holds no token`);
  const response = await fetch(`${url}-/api/${path}`, {
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    signal: AbortSignal.timeout(TIMEOUT_MS),
    ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
  }).catch((error: Error) => {
    const { code } = (error.cause ?? {}) as NodeJS.ErrnoException;
    throw new NoAnswer(`no server answers at ${url} (${code ?? error.message})`);
  });
  const answer = (await response.json().catch(() => undefined)) as { readonly detail?: string } | undefined;
  if (response.ok && answer !== undefined) return answer;
  const hint = response.status === 401 ? ' It runs on another data folder.' : '';
  throw new NoAnswer(`${url} refused: ${answer?.detail ?? `status ${response.status}`}${hint}`);
}
