// What a request for a file names: a distribution file, or a companion of it, by its URL at the file host.

import { BadRequest } from '../core/errors.ts';
import { fileKey, filenameOfUrl, fileUrlOf } from '../pages/file-links.ts';

/** As the route has it. */
export interface FileRequest {
  readonly indexes: readonly string[];
  readonly scheme: string;
  readonly authority: string;
  /** The path as the client spelled it, with its leading slash. */
  readonly rawPath: string;
  /** A Range field that may be answered with a part nobody has verified, where the index is configured so. */
  readonly range?: string;
}

/** What may stand behind the name of a distribution file. */
const COMPANIONS = ['.metadata', '.asc'] as const;
/** What a client may ask for beside a file: its metadata or its signature. */
export type Companion = (typeof COMPANIONS)[number];

/** The request, read. */
export interface Wanted {
  readonly request: FileRequest;
  readonly companion: Companion | undefined;
  /** Of the distribution file itself, without the companion's ending. */
  readonly key: string;
  readonly filename: string;
}

/** Throws BadRequest for a path that cannot be a file's. */
export function wantedOf(request: FileRequest): Wanted {
  const url = urlOf(request);
  const companion = COMPANIONS.find((ending) => url.endsWith(ending));
  const fileUrl = companion === undefined ? url : url.slice(0, -companion.length);
  return { request, companion, key: fileKey(fileUrl), filename: filenameOfUrl(fileUrl) };
}

/** The URL at the file host; throws BadRequest. */
export function urlOf(request: FileRequest): string {
  const url = fileUrlOf(request.scheme, request.authority, request.rawPath);
  if (url === undefined) throw new BadRequest('This path names no file: /files/<scheme>/<host>/<path> is expected.');
  return url;
}
