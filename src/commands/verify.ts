// `wheelkeep verify`: reads all stored bodies back, hashes them, removes those that are not what they should be, and
// fetches these again.

import * as fs from 'node:fs';
import { constants } from 'node:os';
import { Command } from 'commander';
import { scopesOf } from '../app/upstreams.ts';
import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import { bytesText, countText } from '../observe/figures.ts';
import { accountedBytes, BlobIndex, type BlobKind } from '../store/blobs/blob-index.ts';
import { BLOB_KINDS, BlobFolders, shards } from '../store/blobs/folders.ts';
import {
  CommandFailure,
  configInput,
  type ExitCode,
  FAILED,
  outJson,
  type Terminal,
  withConfigFlags,
  withJsonFlag,
} from './command-line.ts';
import type { StoredWorld, WrongBody } from './fetch-again.ts';
import { withOwnServer } from './own-server.ts';
import type { Progress } from './progress.ts';
import { stopSignal } from './stop-signal.ts';

const EXAMPLES = `
Safe beside a running server. What was removed is fetched again at once, and what cannot be, when somebody asks for it;
in an outage --keep only tells. (What is wrong is never served in either case.)

Examples:
  $ wheelkeep verify
  $ wheelkeep verify --keep --json

What cannot be read now (a failing disk, missing permission) is listed and kept.

Exit codes: 0 all bodies are right, 1 some were wrong (listed), fetched again or not, or could not be read, 2 the
command line or the configuration is wrong, 130 stopped by Ctrl-C.`;

/** `wheelkeep verify`. */
export function verifyCommand(terminal: Terminal, exitCode: ExitCode): Command {
  return withJsonFlag(withConfigFlags(new Command('verify'), ['config', 'dataDir']))
    .description('hash everything that is stored, remove what is wrong and fetch it again')
    .option('--keep', 'remove and fetch nothing, only tell')
    .addHelpText('after', EXAMPLES)
    .action(async (given: Record<string, unknown>) => {
      const { config } = await loadConfig(configInput(terminal, given), { notes: false });
      await verify(terminal, exitCode, config, given).catch((error) => {
        const { code, path } = error as NodeJS.ErrnoException;
        if (code === undefined || path === undefined) throw error;
        throw new CommandFailure(`${path} cannot be read (${code}); run as the user that runs the server`);
      });
    });
}

async function verify(
  terminal: Terminal,
  exitCode: ExitCode,
  config: Config,
  given: Readonly<Record<string, unknown>>,
): Promise<void> {
  const keep = given.keep === true;
  const { dataDir } = config;
  const [{ scrub }, { openProgress }] = await Promise.all([import('../store/blobs/scrub.ts'), import('./progress.ts')]);
  const folders = new BlobFolders(dataDir);
  const control = new AbortController();
  const { signal } = control;
  let stoppedBy: NodeJS.Signals | undefined;
  void stopSignal().then((signal) => {
    stoppedBy = signal;
    control.abort();
  });
  const progressOf = (verb: string) => openProgress(verb, process.stderr, (line) => terminal.error(line));
  const progress = progressOf('verifying');
  progress.grow(await countBodies(folders), accountedBytes(folders.index));
  const removal = new Removal(folders, keep);
  const wrong: WrongBody[] = [];
  const unreadable: (WrongBody & { readonly error: string })[] = [];
  let [checked, bytes] = [0, 0];
  const onRead = (bytes: number) => progress.advance(0, bytes);
  for await (const step of scrub({ folders, signal, onRead, remove: removal.remove })) {
    progress.advance(1, 0);
    ({ checked, bytes } = step);
    if (step.removed !== undefined) wrong.push(step.removed);
    if (step.kept !== undefined) {
      const { kind, name, error } = step.kept;
      unreadable.push({ kind, name, error: error.code ?? error.message });
    }
  }
  removal.close();
  progress.end();
  if (checked === 0 && !signal.aborted) {
    terminal.error(`nothing is stored in ${dataDir}; --data-dir names another folder`);
  }
  exitCode.value = wrong.length + unreadable.length > 0 ? FAILED : 0;
  const tell = given.json === true ? () => {} : terminal.out;
  const unread = unreadable.length === 0 ? '' : `, ${unreadable.length} cannot be read now`;
  tell(`${countText(checked, 'stored file')} checked, ${bytesText(bytes)}; ${wrong.length} wrong${unread}`);
  for (const { kind, name, error } of unreadable) tell(`  ${kind} ${name} cannot be read (${error}) and is kept`);
  for (const body of wrong) tell(`  ${body.kind} ${body.name} ${removal.became(body)}`);
  let fetched = 0;
  const removed = wrong.filter((body) => removal.took(body));
  if (removed.length > 0 && !signal.aborted) {
    const world = { folders, dataDir, raw: config.raw, scopes: scopesOf(config), signal };
    fetched = await fetchAgain(terminal, given, world, removed, progressOf('fetching'));
    const rest = fetched === removed.length ? '' : '; the rest is fetched when somebody asks for it';
    tell(`${fetched} of ${removed.length} fetched again${rest}`);
  }
  if (given.json === true) {
    const isGone = wrong.length === removed.length && !keep;
    outJson(terminal, { checked, bytes, wrong, removed: isGone, fetchedAgain: fetched, unreadable });
  }
  if (stoppedBy !== undefined) {
    terminal.error(`stopped by ${stoppedBy}; the rest was not looked at`);
    exitCode.value = 128 + constants.signals[stoppedBy];
  }
}

/** Resolves with the number of bodies that are there again. */
async function fetchAgain(
  terminal: Terminal,
  given: Readonly<Record<string, unknown>>,
  world: StoredWorld,
  removed: readonly WrongBody[],
  progress: Progress,
): Promise<number> {
  const { pathsTo, askForAll, storedOf } = await import('./fetch-again.ts');
  const paths = await pathsTo(removed, world);
  progress.grow(paths.length);
  // Whatever becomes of it, the exit code tells that something was wrong.
  const fetching = withOwnServer(terminal, { value: 0 }, { given, upstreamCut: false }, async (app) => {
    await askForAll(app.url, paths, world.signal, progress);
    if (!world.signal.aborted) await app.stored();
    return 0;
  });
  await fetching
    .catch((error) => {
      if (!(error instanceof CommandFailure)) throw error;
      terminal.error(error.message);
    })
    .finally(() => progress.end());
  return storedOf(removed, world.folders);
}

async function countBodies(folders: BlobFolders): Promise<number> {
  let count = 0;
  for (const kind of BLOB_KINDS) {
    for (const shard of shards()) count += (await folders.names(kind, shard)).length;
  }
  return count;
}

// Takes bodies that `verify` found wrong away: from the disk, and from the account that the servers of the folder keep.

/** Removes what is wrong, and remembers what can be fetched again. */
export class Removal {
  readonly #folders: BlobFolders;
  readonly #keep: boolean;
  readonly #refusals = new Map<string, string>();
  #index: BlobIndex | undefined;

  /** `keep`: nothing is taken away. */
  constructor(folders: BlobFolders, keep: boolean) {
    this.#folders = folders;
    this.#keep = keep;
  }

  readonly remove = async (kind: BlobKind, name: string): Promise<void> => {
    if (this.#keep) return;
    try {
      await fs.promises.rm(this.#folders.path(kind, name), { force: true, recursive: true });
    } catch (error) {
      this.#refusals.set(name, (error as NodeJS.ErrnoException).code ?? String(error));
      return;
    }
    this.#index ??= BlobIndex.open({ path: this.#folders.index, now: Date.now });
    this.#index.removed(kind, name);
  };

  took({ name }: WrongBody): boolean {
    return !this.#keep && !this.#refusals.has(name);
  }

  became(body: WrongBody): string {
    if (this.took(body)) return 'was wrong and is removed';
    const refusal = this.#refusals.get(body.name);
    return refusal === undefined ? 'is wrong' : `is wrong and cannot be removed (${refusal})`;
  }

  close(): void {
    this.#index?.close(false);
  }
}
