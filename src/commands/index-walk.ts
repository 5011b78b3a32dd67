// What a walk through lock files asks of its Wheelkeep, each thing once, however many locks and versions name it: pages,
// files and core metadata.

import type { ListedFile } from '../locks/listed-files.ts';
import { parseRequirement, type Requirement } from '../locks/requirement.ts';
import { type IndexClient, Refused } from './index-client.ts';
import type { Progress } from './progress.ts';

/** One thing an install may ask for, and how that went. */
export interface Finding {
  readonly project: string;
  readonly what: 'page' | 'file' | 'metadata' | 'build';
  /** The file's name, its hash where nobody knows the name, the project's for its page, with its version for a build. */
  readonly name: string;
  readonly sizeBytes: number;
  /** Why it cannot be had; undefined when it can. */
  readonly problem: string | undefined;
}

/** A project's page as far as it could be had. */
export interface WalkedPage {
  readonly finding: Finding;
  /** None when the page cannot be had. */
  readonly files: readonly ListedFile[];
}

/** Whom a walk asks, and how it tells of it. */
export interface IndexWalkOptions {
  readonly client: Pick<IndexClient, 'page' | 'file' | 'open'>;
  readonly progress: Progress;
  /** The refusal as a problem of a finding. */
  readonly explain: (refused: Refused) => string;
  readonly signal: AbortSignal;
}

/** Never rejects for what cannot be had: that is a finding. Rejects with the signal's reason. */
export class IndexWalk {
  readonly #options: IndexWalkOptions;
  readonly #pages = new Map<string, Promise<WalkedPage>>();
  readonly #files = new Map<string, Promise<Finding>>();
  readonly #required = new Map<string, Promise<Requirement[]>>();

  constructor(options: IndexWalkOptions) {
    this.#options = options;
  }

  page(project: string): Promise<WalkedPage> {
    return once(this.#pages, project, async () => {
      const refusals: string[] = [];
      const files = await this.#had(() => this.#options.client.page(project), refusals);
      return { finding: finding(project, 'page', project, 0, refusals[0]), files: files ?? [] };
    });
  }

  file(project: string, file: ListedFile, hashes: readonly string[]): Promise<Finding> {
    return once(this.#files, `${file.url} ${hashes.join(' ')}`, async () => {
      this.#options.progress.grow(1);
      const found = await this.#read(project, 'file', file.filename, file.url, hashes);
      this.#options.progress.advance(1, 0);
      return found;
    });
  }

  /** The core metadata of a file that offers them. */
  metadata(project: string, file: ListedFile): Promise<Finding> {
    const url = `${file.url}.metadata`;
    return once(this.#files, url, () => this.#read(project, 'metadata', `${file.filename}.metadata`, url, []));
  }

  /** What the core metadata of a file require (`Requires-Dist`), with markers; nothing when they cannot be had. */
  requires(file: ListedFile): Promise<readonly Requirement[]> {
    return once(this.#required, file.url, async () => {
      const metadata = await this.#had(() => this.#bytes(`${file.url}.metadata`));
      const [head = ''] = (metadata?.toString() ?? '').split(/\r?\n\r?\n/);
      const lines = head.split(/\r?\n/).flatMap((line) => /^Requires-Dist:\s*(.*)$/i.exec(line)?.[1] ?? []);
      return lines.flatMap((line) => parseRequirement(line) ?? []);
    });
  }

  async #bytes(url: string): Promise<Buffer> {
    return Buffer.concat(await (await this.#options.client.open(url)).toArray());
  }

  async #read(
    project: string,
    what: 'file' | 'metadata',
    name: string,
    url: string,
    hashes: readonly string[],
  ): Promise<Finding> {
    const refusals: string[] = [];
    const sizeBytes = (await this.#had(() => this.#options.client.file(url, hashes), refusals)) ?? 0;
    this.#options.progress.advance(0, sizeBytes);
    return finding(project, what, name, sizeBytes, refusals[0]);
  }

  /** What `ask` resolves with; undefined when it is refused, which is then explained in `refusals`. */
  async #had<Value>(ask: () => Promise<Value>, refusals: string[] = []): Promise<Value | undefined> {
    this.#options.signal.throwIfAborted();
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      refusals.push(this.#options.explain(error));
      return undefined;
    }
  }
}

/** One thing that was asked for, and why it cannot be had. */
export function finding(
  project: string,
  what: Finding['what'],
  name: string,
  sizeBytes: number,
  problem: string | undefined,
): Finding {
  return { project, what, name, sizeBytes, problem };
}

/** The value under the key, made at the first call. */
export function once<Key, Value>(
  known: Map<Key, Promise<Value>>,
  key: Key,
  make: () => Promise<Value>,
): Promise<Value> {
  let value = known.get(key);
  if (value === undefined) {
    value = make();
    known.set(key, value);
  }
  return value;
}
