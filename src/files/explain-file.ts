// Why a file is visible or not: whether the held page of its project lists it, and whether its bytes are here.

import type { IndexService } from '../index/index-service.ts';
import type { ListedFile } from '../pages/page-reader.ts';
import type { ProjectName } from '../pages/project-name.ts';
import type { FileService } from './file-service.ts';

/** Why a file is served or not, for `wheelkeep explain <project> <file>`. */
export interface FileExplanation {
  readonly filename: string;
  /** One sentence. */
  readonly verdict: string;
  readonly listed: boolean;
  readonly url?: string;
  /** The URL by which clients know it, when that is another mirror's. */
  readonly link?: string;
  readonly hashes?: Readonly<Record<string, string>>;
  readonly sizeBytes?: number;
  readonly yanked?: boolean | string;
  readonly stored?: { readonly digest: string; readonly sizeBytes: number; readonly verified: boolean };
}

/** Where the explanation of a file looks. */
export interface ExplainFileOptions {
  readonly index: IndexService;
  readonly files: FileService;
}

/** Looks at what is held of the index that answers for the project; asks nobody. */
export async function explainFile(
  { index, files }: ExplainFileOptions,
  indexes: readonly string[],
  answeredBy: string | undefined,
  project: ProjectName,
  filename: string,
): Promise<FileExplanation> {
  const found = answeredBy === undefined ? undefined : await index.findHeld(answeredBy, project, { key: '', filename });
  const file = found?.named;
  if (answeredBy === undefined || file === undefined) {
    const page = unlistedWords(answeredBy, project, found?.unserved);
    const left = await files.left(answeredBy === undefined ? indexes : [answeredBy], project, filename);
    return { filename, listed: false, verdict: left === undefined ? page : `${page}; ${left}` };
  }
  const stored = await files.stored(answeredBy, file);
  const kept = await index.heldVerdict(answeredBy, project, filename);
  const { url, link, hashes, sizeBytes, yanked } = file;
  return {
    filename,
    listed: true,
    verdict: kept === undefined ? verdictOn(file, stored !== undefined) : `the policy keeps it out: ${kept.text}`,
    url: withoutQuery(url),
    ...(link !== url && { link: withoutQuery(link) }),
    hashes,
    ...(sizeBytes !== undefined && { sizeBytes }),
    yanked,
    ...(stored !== undefined && { stored }),
  };
}

function unlistedWords(answeredBy: string | undefined, project: ProjectName, unserved: string | undefined): string {
  if (answeredBy === undefined) return 'no index here has its project';
  if (unserved === undefined) return `the page of ${project} does not list it`;
  return `the page of ${project} lists it, but it cannot be served: ${unserved}`;
}

function verdictOn({ kept }: ListedFile, isStored: boolean): string {
  const bytes = isStored ? 'its bytes are here' : 'fetched when it is asked for';
  return kept ? `listed as it was, for the index gives it another hash now; ${bytes}` : `listed, and ${bytes}`;
}

/** A query may be a signature. */
function withoutQuery(url: string): string {
  return url.split('?', 1)[0]!;
}
