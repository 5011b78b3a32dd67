// Goes through all that lock files name, as installers would ask for it: the page of every project, every file with
// its hash, its core metadata where that is offered. `warm` walks to fetch, `drill` walks with upstream cut off.

import { namesDistribution } from '../index/distribution-name.ts';
import { type FollowedUrls, urlsPastUs } from '../locks/followed-urls.ts';
import { type ListedFile, type Meant, meantFiles } from '../locks/listed-files.ts';
import type { LockedVersion } from '../locks/lock.ts';
import { type IndexClient, Refused } from './index-client.ts';
import type { NamedLock } from './named-locks.ts';
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

/** What one lock file came to. */
export interface WalkedLock {
  readonly path: string;
  readonly findings: readonly Finding[];
  readonly elsewhere: readonly string[];
  /** Versions of which only source distributions are named: what building them needs is in no lock file. */
  readonly built: readonly string[];
  /** Files whose URLs do not lead through Wheelkeep, for installers that follow the URLs of a lock. */
  readonly past: readonly FollowedUrls[];
}

export interface WalkOptions {
  readonly client: Pick<IndexClient, 'page' | 'file'>;
  readonly concurrency: number;
  readonly progress: Progress;
  /** Only files whose names it accepts. */
  readonly accepts: (filename: string) => boolean;
  /** The refusal as a problem of a finding. */
  readonly explain: (refused: Refused) => string;
  readonly signal: AbortSignal;
}

/** Never rejects for what cannot be had: that is a finding. Rejects with the signal's reason. */
export async function walk(locks: readonly NamedLock[], options: WalkOptions): Promise<WalkedLock[]> {
  const walker = new Walker(options);
  const versions = locks.flatMap(({ lock }) => lock.versions);
  options.progress.grow(versions.length);
  await inParallel(versions, options.concurrency, async (version) => {
    options.signal.throwIfAborted();
    await walker.version(version);
    options.progress.advance(1, 0);
  });
  options.signal.throwIfAborted();
  return Promise.all(
    locks.map(async ({ path, lock }) => {
      const walked = await Promise.all(lock.versions.map((version) => walker.version(version)));
      return {
        path,
        elsewhere: lock.elsewhere,
        findings: unique(walked.flatMap(({ findings }) => findings)),
        built: walked.flatMap(({ built }) => built),
        past: urlsPastUs(lock.versions),
      };
    }),
  );
}

interface WalkedVersion {
  readonly findings: readonly Finding[];
  readonly built: readonly string[];
}

type Page = { readonly finding: Finding; readonly files: readonly ListedFile[] };

/** Asks for each thing once, however many locks and versions name it. */
class Walker {
  readonly #options: WalkOptions;
  readonly #versions = new Map<LockedVersion, Promise<WalkedVersion>>();
  readonly #pages = new Map<string, Promise<Page>>();
  readonly #files = new Map<string, Promise<Finding[]>>();

  constructor(options: WalkOptions) {
    this.#options = options;
  }

  version(version: LockedVersion): Promise<WalkedVersion> {
    return once(this.#versions, version, () => this.#version(version));
  }

  async #version(version: LockedVersion): Promise<WalkedVersion> {
    const { project } = version;
    const page = await once(this.#pages, project, () => this.#page(project));
    const problem = page.finding.problem && 'its page cannot be had, so nobody knows where it is';
    const meant: readonly Meant[] = problem ? unreachable(version, problem) : meantFiles(version, page.files);
    const findings: Finding[] = [page.finding];
    const names: string[] = [];
    for (const one of meant) {
      const name = one.kind === 'listed' ? one.file.filename : one.name;
      // What has only a hash yet may be any file.
      if (namesDistribution(name) && !this.#options.accepts(name)) continue;
      names.push(name);
      if (one.kind === 'missing') findings.push(finding(project, 'file', name, 0, one.problem));
      else {
        const key = `${one.file.url} ${one.hashes.join(' ')}`;
        findings.push(...(await once(this.#files, key, () => this.#file(project, one.file, one.hashes))));
      }
    }
    const built = names.length > 0 && names.every(isSource) ? [`${project} ${version.version}`] : [];
    return { findings, built };
  }

  async #page(project: string): Promise<Page> {
    try {
      const files = await this.#options.client.page(project);
      return { finding: finding(project, 'page', project, 0, undefined), files };
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return { finding: finding(project, 'page', project, 0, this.#options.explain(error)), files: [] };
    }
  }

  async #file(project: string, file: ListedFile, hashes: readonly string[]): Promise<Finding[]> {
    this.#options.progress.grow(1);
    const findings = [await this.#read(project, 'file', file.filename, file.url, hashes)];
    if (file.hasMetadata) {
      const name = `${file.filename}.metadata`;
      findings.push(await this.#read(project, 'metadata', name, `${file.url}.metadata`, []));
    }
    this.#options.progress.advance(1, 0);
    return findings;
  }

  async #read(
    project: string,
    what: 'file' | 'metadata',
    name: string,
    url: string,
    hashes: readonly string[],
  ): Promise<Finding> {
    this.#options.signal.throwIfAborted();
    try {
      const sizeBytes = await this.#options.client.file(url, hashes);
      this.#options.progress.advance(0, sizeBytes);
      return finding(project, what, name, sizeBytes, undefined);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return finding(project, what, name, 0, this.#options.explain(error));
    }
  }
}

function finding(
  project: string,
  what: Finding['what'],
  name: string,
  sizeBytes: number,
  problem: string | undefined,
): Finding {
  return { project, what, name, sizeBytes, problem };
}

/** Without the page it is not known which files a bare version has: it counts as one. */
function unreachable({ project, version, files }: LockedVersion, problem: string): Meant[] {
  if (files.length === 0) return [{ kind: 'missing', name: `${project} ${version}`, problem }];
  return files.map(({ filename, hashes }) => ({ kind: 'missing', name: filename ?? hashes[0] ?? '', problem }));
}

function isSource(name: string): boolean {
  return /\.(?:tar\.[a-z0-9]+|tgz|zip)$/i.test(name);
}

/** Versions of one project share its page, and two entries may share a file: the same finding object then. */
function unique(findings: readonly Finding[]): Finding[] {
  return [...new Set(findings)];
}

function once<Key, Value>(known: Map<Key, Promise<Value>>, key: Key, make: () => Promise<Value>): Promise<Value> {
  let value = known.get(key);
  if (value === undefined) {
    value = make();
    known.set(key, value);
  }
  return value;
}

/** At most `limit` at the same time; rejects with the first failure once all that runs has ended. */
async function inParallel<Item>(
  items: readonly Item[],
  limit: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const left = items.values();
  const workers = Array.from({ length: limit }, async () => {
    for (const item of left) await work(item);
  });
  const failed = (await Promise.allSettled(workers)).find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
}
