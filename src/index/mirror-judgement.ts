// Pages from several equivalent mirrors of one index, none of which is trusted by itself. A page is accepted when it is
// not older than the one we hold and contradicts no hash that we know; a mirror that lags, lies or breaks is set aside
// and the next one asked, all before the cache sees an answer.

import { Readable } from 'node:stream';
import { digestInPieces } from '../cache/digest.ts';
import type { Ask } from '../cache/profile.ts';
import { collect } from '../cache/whole-body.ts';
import { UpstreamFailure } from '../errors.ts';
import type { Fields, IncomingResponse } from '../http-message.ts';
import type { IndexUpstream } from '../upstream/index-upstream.ts';
import type { Refusal } from '../upstream/mirror.ts';
import type { Comparison, Move } from './compare-pages.ts';
import { fileKey } from './file-links.ts';
import { InvalidPage } from './invalid-page.ts';
import type { PageFacts } from './page.ts';
import type { ListedFile } from './page-reader.ts';
import type { PageWorkshop } from './page-workshop.ts';
import type { ProjectName } from './project-name.ts';
import { type HeldPage, pageSource } from './stored-page.ts';

export interface MirrorJudgementOptions {
  readonly upstream: Pick<IndexUpstream, 'fetchPage' | 'mirrorOf' | 'setAside' | 'reportInvalidPage'>;
  /** The bases of the mirrors. */
  readonly bases: readonly string[];
  /** Where the mirrors say that their files lie, as moves to where the first one's lie. */
  readonly declared: readonly Move[];
  readonly workshop: PageWorkshop;
  readonly maxPageBytes: number;
  /** Whether one mirror's word is enough when it gives a known file another hash. */
  readonly acceptsChangedFiles: boolean;
  /** Told of each file whose other hash was accepted. */
  readonly onChanged: (project: ProjectName, filename: string) => void;
}

/** A file that the mirror whose page lists it does not give. */
export interface SoughtFile {
  readonly project: ProjectName;
  readonly file: ListedFile;
  /** The URL of the page that lists it. */
  readonly listedAt: string;
}

/** What was refused, kept in case that all mirrors say the same. */
interface Refused {
  readonly reason: Refusal;
  readonly response: IncomingResponse;
  readonly claim: string;
  readonly serial: number;
}

/** What the judge of pages (page-judge.ts) is to know of an answer beside what its body says. */
export type JudgedFacts = Pick<PageFacts, 'agreed' | 'left' | 'moves'>;

export class MirrorJudgement {
  readonly #options: MirrorJudgementOptions;
  readonly #facts = new WeakMap<IncomingResponse, JudgedFacts>();

  constructor(options: MirrorJudgementOptions) {
    this.#options = options;
  }

  /** The project's page, by the first mirror whose answer can be accepted. Throws UpstreamFailure when there is none. */
  async fetch(project: ProjectName, held: HeldPage | undefined, ask: Ask): Promise<IncomingResponse> {
    const { upstream } = this.#options;
    const refused: Refused[] = [];
    const asked = new Set<string>();
    let failure: unknown;
    while (asked.size < this.#options.bases.length) {
      let response: IncomingResponse;
      try {
        response = await upstream.fetchPage(`${project}/`, this.#conditions(held, ask.conditions), ask.signal, asked);
      } catch (error) {
        failure ??= error;
        break;
      }
      const mirror = upstream.mirrorOf(response)!;
      asked.add(mirror);
      try {
        const judged = await this.#judge(project, held, response, refused);
        if (judged.refusal === undefined) return judged.response;
        refused.push(judged.refusal);
        upstream.setAside(mirror, judged.refusal.reason);
      } catch (error) {
        // A body that broke off or is no page: the next mirror may do better.
        if (!(error instanceof UpstreamFailure) || error.kind === 'aborted') throw error;
        if (error.kind === 'invalid-body') upstream.reportInvalidPage(response.source, `${project}/`);
        failure = error;
      }
    }
    return lastResort(refused, failure);
  }

  /** Where mirrors other than the one whose page lists the file have it, by the first of them that says so. */
  async places({ project, file, listedAt }: SoughtFile, signal: AbortSignal): Promise<string[]> {
    const { upstream, bases, maxPageBytes, workshop } = this.#options;
    const asked = new Set(bases.filter((base) => listedAt.startsWith(base)));
    try {
      while (asked.size < bases.length) {
        const response = await upstream.fetchPage(`${project}/`, [], signal, asked);
        asked.add(upstream.mirrorOf(response)!);
        if (response.status !== 200) {
          response.body.destroy();
          continue;
        }
        const body = await collect(response, maxPageBytes);
        const source = pageSource(response, body, project, await digestInPieces(body));
        const { named } = await workshop.find(source, fileKey(file.link), file.filename);
        if (named !== undefined && named.url !== file.url && shareHash(named.hashes, file.hashes)) return [named.url];
      }
    } catch (error) {
      if (!(error instanceof UpstreamFailure) && !(error instanceof InvalidPage)) throw error;
    }
    return [];
  }

  /** What the judge of pages is to know of an answer that came from here. */
  factsOf(response: IncomingResponse): JudgedFacts {
    return this.#facts.get(response) ?? {};
  }

  /** Validators are those of the mirror that gave them: another one may use the same text for another page. */
  #conditions(held: HeldPage | undefined, conditions: Fields): (base: string) => Fields {
    return (base) => (held?.entry.url.startsWith(base) ? conditions : []);
  }

  async #judge(
    project: ProjectName,
    held: HeldPage | undefined,
    response: IncomingResponse,
    refused: readonly Refused[],
  ): Promise<{ readonly response: IncomingResponse; readonly refusal?: Refused }> {
    if (response.status !== 200) {
      // A 404 for what we hold: another mirror is heard before even a doubt is noted.
      const contradicts = held !== undefined && (response.status === 404 || response.status === 410);
      if (!contradicts || refused.some(({ reason }) => reason === 'missing')) return { response };
      return { response, refusal: { reason: 'missing', response, claim: '', serial: -1 } };
    }
    const body = await collect(response, this.#options.maxPageBytes);
    const whole: IncomingResponse = { ...response, body: Readable.from([body]) };
    const source = pageSource(response, body, project, await digestInPieces(body));
    const { facts } = await this.#options.workshop.check(source);
    const { declared } = this.#options;
    if (held === undefined) {
      if (declared.length > 0) this.#facts.set(whole, { moves: declared });
      return { response: whole };
    }
    const comparison = await this.#options.workshop.compare(held.source, source, declared);
    const { moves } = comparison;
    const { acceptsChangedFiles, onChanged } = this.#options;
    const measured = acceptsChangedFiles ? { ...comparison, changed: undefined } : comparison;
    const judged = verdict((held.entry.facts as PageFacts | null) ?? undefined, facts, measured);
    const confirmed = judged !== undefined && refused.some((other) => confirms(other, judged));
    if (judged === undefined || confirmed) {
      for (const filename of comparison.changedFiles) onChanged(project, filename);
      this.#facts.set(whole, { agreed: true, ...(moves.length > 0 && { moves }) });
      return { response: whole };
    }
    const { reason, claim } = judged;
    this.#facts.set(whole, { ...(reason === 'files-left' && { left: claim }), ...(moves.length > 0 && { moves }) });
    return { response: whole, refusal: { reason, claim, response: whole, serial: facts.serial ?? -1 } };
  }
}

/** One hash that both have, and none in which they differ. */
function shareHash(one: Readonly<Record<string, string>>, other: Readonly<Record<string, string>>): boolean {
  const common = Object.keys(one).filter((algorithm) => other[algorithm] !== undefined);
  return common.length > 0 && common.every((algorithm) => one[algorithm] === other[algorithm]);
}

/** Why a page is not accepted in the place of the held one; undefined when it is. */
export function verdict(
  before: PageFacts | undefined,
  after: PageFacts,
  { changed, left }: Pick<Comparison, 'changed' | 'left'>,
): { readonly reason: Refusal; readonly claim: string } | undefined {
  // Honoured at once, whoever says it (PEP 792): it takes installs away, and never gives other bytes.
  if (after.status === 'quarantined') return undefined;
  if (changed !== undefined) return { reason: 'changed-hash', claim: changed };
  if (before?.serial !== undefined && after.serial !== undefined) {
    return after.serial < before.serial ? { reason: 'lagging', claim: String(after.serial) } : undefined;
  }
  // Without serials nobody can say which is newer: what lists all that we hold is not older.
  return left === undefined ? undefined : { reason: 'files-left', claim: left };
}

/** Two mirrors that say the same against the held page are believed, but for an older serial: both may lag. */
function confirms(other: Refused, judged: { readonly reason: Refusal; readonly claim: string }): boolean {
  return judged.reason !== 'lagging' && other.reason === judged.reason && other.claim === judged.claim;
}

/**
 * No mirror's page was accepted. An older page, one without some files and a 404 go to the judge of pages, which
 * believes them when they are repeated for long enough; a changed hash is never believed of one mirror alone.
 */
function lastResort(refused: readonly Refused[], failure: unknown): IncomingResponse {
  const usable = refused.filter(({ reason }) => reason !== 'changed-hash');
  if (usable.length > 0) return usable.reduce((best, other) => (other.serial > best.serial ? other : best)).response;
  if (refused.length > 0) {
    throw new UpstreamFailure('invalid-body', 'The mirrors give a file another hash than the one that is known.');
  }
  throw failure;
}
