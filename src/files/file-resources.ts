// What the read-through flow is to read for a file or its companion: under which key, by which profile, from where, and
// what it has to be.

import type { Expectation, Resource } from '../cache/profile.ts';
import type { ReadThrough } from '../cache/read-through.ts';
import { digestOf } from '../core/digest.ts';
import type { FileListing, IndexService } from '../index/index-service.ts';
import { addressOf, fileKey } from '../pages/file-links.ts';
import { canExtract, type Hashes } from '../pages/page.ts';
import type { ListedFile } from '../pages/page-reader.ts';
import type { FileProfiles } from './file-profile.ts';
import { type Companion, urlOf, type Wanted } from './file-request.ts';
import type { FileResource, FileSource } from './file-source.ts';
import { WheelMetadata } from './wheel-metadata.ts';

type Further = NonNullable<FileResource['further']>;

/** What file records become resources of the cache with. */
export interface FileResourcesOptions {
  readonly index: Pick<IndexService, 'otherPlaces'>;
  readonly readThrough: ReadThrough;
  readonly profiles: FileProfiles;
  readonly source: FileSource;
  /** Under which the data of an index is kept: see `indexScope`. */
  readonly scopeOf: (index: string) => string;
  /** Indexes whose wheels give the core metadata that their pages do not offer. */
  readonly extracting: ReadonlySet<string>;
  /** Told when core metadata that was read by ranges is not what the wheel at this URL holds. */
  readonly onWrongPart: (url: string) => void;
}

/** File records as resources of the cache: which URL, which hash, which places. */
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
  async of(listing: FileListing, file: ListedFile, companion: Companion | undefined): Promise<Resource> {
    const { index } = listing;
    const further = (signal: AbortSignal) => this.#options.index.otherPlaces(listing, file, signal);
    const resource = this.ofUpstream(index, file, companion, further);
    if (companion !== '.metadata' || !/\.whl$/i.test(file.filename)) return resource;
    const wheel = this.ofUpstream(index, file, undefined, further);
    if (!this.extracts(index, file)) return this.#wheelMetadata.orExtracted(resource, wheel);
    const { source } = this.#options;
    return this.#wheelMetadata.extracted(resource, {
      wheel,
      askPart: (signal) => source.partsOf(index, addressOf(file), signal),
    });
  }

  /** See FileService.metadataHere. */
  async metadataHere(index: string, file: ListedFile, known: string): Promise<string | undefined> {
    const packed = await this.#wheelMetadata.packedHere(this.ofUpstream(index, file, undefined));
    if (packed !== undefined) return `sha256:${digestOf(packed)}`;
    const { readThrough } = this.#options;
    const resource = this.ofUpstream(index, file, '.metadata');
    const entry = await readThrough.held(resource);
    const isKnown = entry?.facts === known || (entry?.body !== undefined && `sha256:${entry.body.digest}` === known);
    const blob = entry !== undefined && isKnown ? await readThrough.open(resource, entry) : undefined;
    blob?.release();
    return blob === undefined ? undefined : known;
  }

  /** As upstream has it. `further` asks other mirrors where they have the file itself. */
  ofUpstream(index: string, file: ListedFile, companion: Companion | undefined, further?: Further): Resource {
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
      key: this.#keyOf(index, fileKey(file.link), companion),
      index,
      filename: file.filename + (companion ?? ''),
      url: withCompanion(file.url, companion),
      userInfo: file.userInfo,
      elsewhere: file.elsewhere.map((place) => withCompanion(place, companion)),
      further: further && (async (signal) => (await further(signal)).map((place) => withCompanion(place, companion))),
      profile,
      expected,
      sizeBytes: companion === undefined ? file.sizeBytes : undefined,
    });
  }

  /** What no page lists (any more), as it may still be held. */
  unlisted(index: string, wanted: Wanted): Resource {
    return this.#options.source.resource({
      key: this.#keyOf(index, wanted.key, wanted.companion),
      index,
      filename: wanted.filename + (wanted.companion ?? ''),
      url: urlOf(wanted.request),
      elsewhere: [],
      profile: this.#options.profiles.verified,
      expected: undefined,
      sizeBytes: undefined,
    });
  }

  #keyOf(index: string, key: string, companion: Companion | undefined): string {
    return `file:${this.#options.scopeOf(index)}:${key}${companion ?? ''}`;
  }
}

/** Upstream's own query (a signature) stays behind the path, where upstream expects it. */
function withCompanion(url: string, companion: Companion | undefined): string {
  if (companion === undefined) return url;
  const query = url.indexOf('?');
  return query < 0 ? url + companion : url.slice(0, query) + companion + url.slice(query);
}

// What a page says about the bytes of a file before they are fetched.

/** Strongest first; what is not listed here cannot be checked and counts as no hash. */
const ALGORITHMS = ['sha256', 'sha512', 'sha384', 'sha224', 'sha1', 'md5'] as const;
const HEX_DIGITS: Readonly<Record<Expectation['algorithm'], number>> = {
  sha256: 64,
  sha512: 128,
  sha384: 96,
  sha224: 56,
  sha1: 40,
  md5: 32,
};

/** The strongest hash that can be checked; one with a wrong length or other characters is none. */
export function expectationOf(hashes: Hashes): Expectation | undefined {
  for (const algorithm of ALGORITHMS) {
    const hex = Object.hasOwn(hashes, algorithm) ? hashes[algorithm] : undefined;
    if (hex !== undefined && hex.length === HEX_DIGITS[algorithm] && /^[0-9a-fA-F]+$/.test(hex)) {
      return { algorithm, hex: hex.toLowerCase() };
    }
  }
  return undefined;
}
