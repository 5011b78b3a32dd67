// What a walk through lock files asks of its Wheelkeep, each thing once, however many locks and versions name it: pages,
// files with their core metadata, and what these say is required.

import { metadataOfWheel, UnreadableWheel, type WheelBytes } from '../files/core-metadata.ts';
import { buildRequires } from '../locks/build-requires.ts';
import type { ListedFile } from '../locks/listed-files.ts';
import { parseRequirement, type Requirement } from '../locks/requirement.ts';
import { isSource } from '../locks/target.ts';
import { type IndexClient, Refused } from './index-client.ts';
import type { Progress } from './progress.ts';

/** One thing an install may ask for, and how that went. */
export interface Finding {
  readonly project: string;
  readonly what: 'page' | 'file' | 'metadata';
  /** The file's name, its hash where nobody knows the name, or the project's for its page. */
  readonly name: string;
  readonly sizeBytes: number;
  /** Why it cannot be had; undefined when it can. */
  readonly problem: string | undefined;
}

export interface WalkedPage {
  readonly finding: Finding;
  /** None when the page cannot be had. */
  readonly files: readonly ListedFile[];
}

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
  readonly #files = new Map<string, Promise<Finding[]>>();
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

  /** The file and, where it is offered, its core metadata. */
  file(project: string, file: ListedFile, hashes: readonly string[]): Promise<Finding[]> {
    return once(this.#files, `${file.url} ${hashes.join(' ')}`, async () => {
      this.#options.progress.grow(1);
      const findings = [await this.#read(project, 'file', file.filename, file.url, hashes)];
      if (file.hasMetadata) {
        const name = `${file.filename}.metadata`;
        findings.push(await this.#read(project, 'metadata', name, `${file.url}.metadata`, []));
      }
      this.#options.progress.advance(1, 0);
      return findings;
    });
  }

  /** What the core metadata of the file requires, all markers and extras included; nothing when it cannot be had. */
  requires(file: ListedFile): Promise<Requirement[]> {
    return once(this.#required, `${file.url} runs`, async () => {
      const lines = (await this.#had(() => this.#metadata(file)))
        ?.toString()
        .split(/\r?\n\r?\n/)[0]
        ?.split(/\r?\n/);
      return (lines ?? []).flatMap((line) => parseRequirement(/^Requires-Dist:\s*(.*)$/i.exec(line)?.[1] ?? '') ?? []);
    });
  }

  /** What building the source distribution requires; nothing when it cannot be had or does not say. */
  buildRequires(file: ListedFile): Promise<Requirement[]> {
    return once(this.#required, `${file.url} builds`, async () => {
      const lines = await this.#had(async () => buildRequires(await this.#options.client.open(file.url)));
      return (lines ?? []).flatMap((line) => parseRequirement(line) ?? []);
    });
  }

  async #metadata(file: ListedFile): Promise<Buffer | undefined> {
    const { client } = this.#options;
    if (file.hasMetadata) return Buffer.concat(await (await client.open(`${file.url}.metadata`)).toArray());
    if (isSource(file.filename)) return undefined;
    const bytes = Buffer.concat(await (await client.open(file.url)).toArray());
    return metadataOfWheel(inMemory(bytes)).catch((error: unknown) => {
      if (error instanceof UnreadableWheel) return undefined;
      throw error;
    });
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

function inMemory(bytes: Buffer): WheelBytes {
  return { sizeBytes: bytes.length, bytesAt: async (position, length) => bytes.subarray(position, position + length) };
}

export function finding(
  project: string,
  what: Finding['what'],
  name: string,
  sizeBytes: number,
  problem: string | undefined,
): Finding {
  return { project, what, name, sizeBytes, problem };
}

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
