// Pages from several equivalent mirrors of one index, none of which is trusted by itself. A page is accepted when it is
// not older than the one we hold and contradicts no hash that we know; a mirror that lags, lies or breaks is set aside
// and the next one asked, all before the cache sees an answer.

import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { type Ask, conditionsAt } from '../cache/profile.ts';
import { digestInPieces } from '../core/digest.ts';
import { UpstreamFailure } from '../core/errors.ts';
import { collect } from '../core/http-body.ts';
import type { IncomingResponse } from '../core/http-message.ts';
import { fileKey } from '../pages/file-links.ts';
import { InvalidPage } from '../pages/invalid-page.ts';
import type { Claim } from '../pages/known-hashes.ts';
import type { Move } from '../pages/page.ts';
import { type PageFacts, PLAUSIBLE_CHANGES } from '../pages/page.ts';
import type { HeldComparison, ListedFile } from '../pages/page-reader.ts';
import type { ProjectName } from '../pages/project-name.ts';
import type { IndexUpstream } from '../upstream/index-upstream.ts';
import type { Refusal } from '../upstream/mirror.ts';
import type { ChangedFiles, KnownFacts, Notes } from './accept-changed-files.ts';
import type { PagePool } from './page-pool.ts';
import { type HeldPage, pageSource } from './stored-page.ts';

/** What is needed to measure the pages of the mirrors of one index by the page that is held. */
export interface MirrorPagesOptions {
  readonly upstream: Pick<IndexUpstream, 'fetchPage' | 'mirrorOf' | 'setAside' | 'reportInvalidPage'>;
  /** The bases of the mirrors. */
  readonly bases: readonly string[];
  /** Where the mirrors say that their files lie, as moves to where the first one's lie. */
  readonly declared: readonly Move[];
  readonly index: string;
  readonly pagePool: PagePool;
  readonly changedFiles: ChangedFiles;
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

/** What is to be known of a page beside what its body says, and written down when it is accepted. */
export interface JudgedPage {
  readonly facts: Pick<PageFacts, 'agreed' | 'left' | 'moves'> & KnownFacts;
  readonly notes: Notes;
}

/**
 * Asks the mirrors of one index in turn until one gives a page that is not older than ours and contradicts no known
 * hash.
 */
export class MirrorPages {
  readonly #options: MirrorPagesOptions;
  readonly #judged = new WeakMap<IncomingResponse, JudgedPage>();

  constructor(options: MirrorPagesOptions) {
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
        const conditions = (base: string) => conditionsAt(ask, base);
        response = await upstream.fetchPage(`${project}/`, conditions, ask.signal, asked);
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

  /** What was found out about an answer that came from here; undefined for one without a page. */
  judgedOf(response: IncomingResponse): JudgedPage | undefined {
    return this.#judged.get(response);
  }

  /** Where mirrors other than the one whose page lists the file have it, by the first of them that says so. */
  async places({ project, file, listedAt }: SoughtFile, signal: AbortSignal): Promise<string[]> {
    const { upstream, bases, maxPageBytes, pagePool } = this.#options;
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
        const { named } = await pagePool.find(source, fileKey(file.link), file.filename);
        if (named !== undefined && named.url !== file.url && shareHash(named.hashes, file.hashes)) return [named.url];
      }
    } catch (error) {
      if (!(error instanceof UpstreamFailure) && !(error instanceof InvalidPage)) throw error;
    }
    return [];
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
    const { facts } = await this.#options.pagePool.check(source);
    const { index, changedFiles, declared, acceptsChangedFiles, onChanged } = this.#options;
    const measured = await changedFiles.measure(index, project, held, source, { declared });
    const { comparison, changed } = measured;
    const moves = held === undefined ? declared : comparison.moves;
    const before = (held?.entry.facts ?? undefined) as PageFacts | undefined;
    const judged = verdict(before, facts, {
      ...comparison,
      changed: acceptsChangedFiles ? undefined : claimOf(changed),
    });
    const confirmed = judged !== undefined && refused.some((other) => confirms(other, judged));
    const isAccepted = judged === undefined || confirmed;
    if (isAccepted || judged.reason !== 'changed-hash') {
      // Two mirrors may agree on another hash; that they give none says nothing about the bytes.
      const believed = ({ now }: Claim) => confirmed && now.every((hashes) => hashes.length > 0);
      const refusedFiles = acceptsChangedFiles ? [] : changed.filter((claim) => !believed(claim));
      const { notes } = confirmed
        ? await changedFiles.measure(index, project, held, source, { declared, believed })
        : measured;
      changedFiles.alarm(project, held, acceptsChangedFiles ? [] : [...refusedFiles, ...measured.metadata], false);
      for (const claim of changed) if (!refusedFiles.includes(claim)) onChanged(project, claim.filename);
      const metadata = acceptsChangedFiles ? [] : measured.metadata;
      const known = await changedFiles.asKnown(index, project, held, { changed: refusedFiles, metadata });
      const agreed = isAccepted && held !== undefined && { agreed: true };
      const left = !isAccepted && (judged.reason === 'files-left' || judged.reason === 'serial-jump');
      this.#judged.set(whole, {
        facts: { ...known, ...agreed, ...(left && { left: judged.claim }), ...(moves.length > 0 && { moves }) },
        notes,
      });
      if (isAccepted) return { response: whole };
    }
    const { reason, claim } = judged;
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
  { changed, left, same }: Pick<HeldComparison, 'left' | 'same'> & { readonly changed: string | undefined },
): { readonly reason: Refusal; readonly claim: string } | undefined {
  // A quarantine counts at once from any mirror (PEP 792): it takes installs away and never gives other bytes.
  if (after.status === 'quarantined') return undefined;
  if (changed !== undefined) return { reason: 'changed-hash', claim: changed };
  if (before?.serial !== undefined && after.serial !== undefined) {
    const risenBy = after.serial - before.serial;
    if (risenBy > PLAUSIBLE_CHANGES) return { reason: 'serial-jump', claim: 'jump' };
    // One of the two serials is wrong, and nobody can say which: as if there were none.
    if (risenBy >= -PLAUSIBLE_CHANGES) {
      return risenBy >= 0 || same ? undefined : { reason: 'lagging', claim: String(after.serial) };
    }
  }
  // Without serials nobody can say which is newer: what lists all that we hold is not older.
  return left === undefined ? undefined : { reason: 'files-left', claim: left };
}

/** Names which files have changed, and to what: equal for two mirrors that say the same. */
function claimOf(changed: readonly Claim[]): string | undefined {
  if (changed.length === 0) return undefined;
  const texts = changed.map(({ filename, now }) => `${filename} ${JSON.stringify(now)}`);
  return createHash('sha256').update(texts.toSorted().join('\n')).digest('hex').slice(0, 32);
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
  const unchanged = refused.filter(({ reason }) => reason !== 'changed-hash');
  const plausible = unchanged.filter(({ reason }) => reason !== 'serial-jump');
  const usable = plausible.length > 0 ? plausible : unchanged;
  if (usable.length > 0) return usable.reduce((best, other) => (other.serial > best.serial ? other : best)).response;
  if (refused.length > 0) {
    throw new UpstreamFailure('invalid-body', 'The mirrors give a file another hash than the one that is known.');
  }
  throw failure;
}
