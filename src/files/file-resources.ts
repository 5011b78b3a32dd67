// What the read-through flow is to read for a file or its companion: under which key, by which profile, from where, and
// what it has to be.

import type { Resource } from '../cache/profile.ts';
import type { ReadThrough } from '../cache/read-through.ts';
import { canExtract } from '../index/extracted-metadata.ts';
import { addressOf, fileKey } from '../index/file-links.ts';
import type { ListedFile } from '../index/page-reader.ts';
import { expectationOf } from './expectation.ts';
import type { FileProfiles } from './file-profile.ts';
import { type Companion, urlOf, type Wanted } from './file-request.ts';
import type { FileSource } from './file-source.ts';
import { WheelMetadata } from './wheel-metadata.ts';

export interface FileResourcesOptions {
  readonly readThrough: ReadThrough;
  readonly profiles: FileProfiles;
  readonly source: FileSource;
  /** Indexes whose wheels give the core metadata that their pages do not offer. */
  readonly extracting: ReadonlySet<string>;
  /** Told when core metadata that was read by ranges is not what the wheel at this URL holds. */
  readonly onWrongPart: (url: string) => void;
}

export class FileResources {
  readonly #options: FileResourcesOptions;
  readonly #wheelMetadata: WheelMetadata;

  constructor(options: FileResourcesOptions) {
    this.#options = options;
    this.#wheelMetadata = new WheelMetadata({
      readThrough: options.readThrough,
      provenProfile: options.profiles.companion,
      onWrongPart: ({ request }) => options.onWrongPart(request.url),
    });
  }

  /** Whether the file's core metadata is taken out of the wheel. */
  extracts(index: string, file: ListedFile): boolean {
    return this.#options.extracting.has(index) && canExtract(file);
  }

  /** The file or its companion, however it is to be had. */
  async of(index: string, file: ListedFile, companion: Companion | undefined): Promise<Resource> {
    const resource = this.ofUpstream(index, file, companion);
    if (companion !== '.metadata' || !/\.whl$/i.test(file.filename)) return resource;
    const wheel = this.ofUpstream(index, file, undefined);
    if (!this.extracts(index, file)) return this.#wheelMetadata.orExtracted(resource, wheel);
    const { source } = this.#options;
    return this.#wheelMetadata.extracted(resource, {
      wheel,
      askPart: (signal) => source.partsOf(addressOf(file), signal),
    });
  }

  /** As upstream has it. */
  ofUpstream(index: string, file: ListedFile, companion: Companion | undefined): Resource {
    const { profiles, source } = this.#options;
    const hashes = typeof file.coreMetadata === 'object' ? file.coreMetadata : {};
    const expected =
      companion === undefined
        ? expectationOf(file.hashes)
        : companion === '.metadata'
          ? expectationOf(hashes)
          : undefined;
    const known = expected !== undefined;
    const profile =
      companion === undefined
        ? known
          ? profiles.verified
          : profiles.unverified
        : known
          ? profiles.companion
          : profiles.unverifiedCompanion;
    return source.resource({
      key: resourceKey(index, fileKey(file.link), companion),
      index,
      url: withCompanion(file.url, companion),
      userInfo: file.userInfo,
      elsewhere: file.elsewhere.map((place) => withCompanion(place, companion)),
      profile,
      expected,
      sizeBytes: companion === undefined ? file.sizeBytes : undefined,
    });
  }

  /** What no page lists (any more), as it may still be held. */
  unlisted(index: string, wanted: Wanted): Resource {
    return this.#options.source.resource({
      key: resourceKey(index, wanted.key, wanted.companion),
      index,
      url: urlOf(wanted.request),
      elsewhere: [],
      profile: this.#options.profiles.verified,
      expected: undefined,
      sizeBytes: undefined,
    });
  }
}

function resourceKey(index: string, key: string, companion: Companion | undefined): string {
  return `file:${index}:${key}${companion ?? ''}`;
}

/** Upstream's own query (a signature) stays behind the path, where upstream expects it. */
function withCompanion(url: string, companion: Companion | undefined): string {
  if (companion === undefined) return url;
  const query = url.indexOf('?');
  return query < 0 ? url + companion : url.slice(0, query) + companion + url.slice(query);
}
