// The bytes of index pages, ready to send: one page in one format and one content coding, made once per change of the
// page and kept within a byte budget. A hit neither parses nor renders nor compresses.

import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { KEPT_OVERHEAD_BYTES } from '../core/exact-bytes.ts';
import type { Fields } from '../core/http-message.ts';
import { DOCUMENT_TYPES, type DocumentForm } from '../pages/documents.ts';
import { CONTENT_TYPES, type PageCoding, type PageFormat } from '../pages/negotiate.ts';
import type { PageFacts } from '../pages/page.ts';
import type { Entry } from '../store/entries/entry.ts';
import { type KeptBytes, keptAsRendered, keptCoded } from './kept-bytes.ts';
import { sourceName } from './stored-page.ts';

/** Part of every key and tag: raise it when the same page would be rendered into other bytes. */
const RENDERER_VERSION = 2;
const COMPRESSOR = `${process.versions.zlib} ${process.versions.zstd}`;

/** One representation of a page (RFC 9110 3.2), with the fields that do not change from request to request. */
export interface RenderedPage extends KeptBytes {
  readonly etag: string;
  readonly fields: Fields;
  /** The fields of a 304 (RFC 9110 15.4.5). */
  readonly notModifiedFields: Fields;
}

/** What the bytes are: an index page in one format, or another document. */
export type Form = PageFormat | DocumentForm;

type Render = () => Promise<Buffer>;

/**
 * Installers ask for coded bytes. The uncoded ones that these were made from are kept for other codings only where it
 * takes long to render them again: of small pages they would be two thirds of what is kept.
 */
const RENDERED_AGAIN_BYTES = 64 * 1024;

/** What a page takes beside its bytes: key, tag and fields, and what any kept bytes take. */
const PAGE_OVERHEAD_BYTES = 900 + KEPT_OVERHEAD_BYTES;

/** Rendered representations in memory, bounded by bytes, the least recently used leave first. */
export class RenderedPages {
  readonly #pages: LRUCache<string, RenderedPage>;
  readonly #making = new Map<string, Promise<RenderedPage>>();

  constructor(options: { readonly maxBytes: number }) {
    this.#pages = new LRUCache({
      maxSize: options.maxBytes,
      sizeCalculation: (page) => page.bytes.length + PAGE_OVERHEAD_BYTES,
    });
  }

  /** The representation if it is ready. `manner`: see `get`. */
  peek(entry: Entry, form: Form, coding: PageCoding, variant = ''): RenderedPage | undefined {
    return this.#pages.get(this.#key(entry, form, coding, variant));
  }

  /**
   * The representation; `render` gives the uncoded bytes when they are not ready. `manner` names what else they depend
   * on: two indexes may hold the same page and show it differently. Rejects as `render` does.
   */
  async get(entry: Entry, form: Form, coding: PageCoding, render: Render, variant = ''): Promise<RenderedPage> {
    const page = await this.#readyOrMade(entry, form, coding, render, variant);
    this.#pages.set(this.#key(entry, form, coding, variant), page);
    return page;
  }

  get bytes(): number {
    return this.#pages.calculatedSize;
  }

  /** All who ask while it is made get the same one. */
  #readyOrMade(entry: Entry, form: Form, coding: PageCoding, render: Render, variant: string): Promise<RenderedPage> {
    const key = this.#key(entry, form, coding, variant);
    const ready = this.#pages.get(key);
    if (ready !== undefined) return Promise.resolve(ready);
    let making = this.#making.get(key);
    if (making === undefined) {
      making = this.#make(entry, form, coding, render, variant).finally(() => this.#making.delete(key));
      this.#making.set(key, making);
    }
    return making;
  }

  async #make(entry: Entry, form: Form, coding: PageCoding, render: Render, variant: string): Promise<RenderedPage> {
    // Coded forms are made from the uncoded one.
    const plain = coding === 'identity' ? undefined : await this.#readyOrMade(entry, form, 'identity', render, variant);
    if (plain !== undefined && plain.bytes.length > RENDERED_AGAIN_BYTES)
      this.#pages.set(this.#key(entry, form, 'identity', variant), plain);
    const kept = plain === undefined ? await keptAsRendered(await render()) : await keptCoded(plain, coding);
    const { bytes, packed, digest, sizeBytes } = kept;
    const etag = tagOf(digest, form, coding);
    const serial = (entry.facts as PageFacts | null | undefined)?.serial;
    const vary = typeof form === 'string' ? 'Accept, Accept-Encoding' : 'Accept-Encoding';
    const contentType = typeof form === 'string' ? CONTENT_TYPES[form] : DOCUMENT_TYPES[form.kind];
    // Put together by concat, whose arrays have no room for more: with it the fields would outweigh many a page.
    const notModifiedFields = ['etag', etag, 'vary', vary].concat(
      serial === undefined ? [] : ['x-pypi-last-serial', String(serial)],
    );
    const fields = notModifiedFields.concat(
      ['content-type', contentType, 'content-length', String(sizeBytes)],
      coding === 'identity' ? [] : ['content-encoding', coding],
      ['x-content-type-options', 'nosniff', 'content-security-policy', "default-src 'none'"],
    );
    return { bytes, packed, digest, sizeBytes, etag, fields, notModifiedFields };
  }

  /** By what the bytes depend on: the body, the URL that its links resolve against, and who asks for which form. */
  #key(entry: Entry, form: Form, coding: PageCoding, variant: string): string {
    return `${nameOf(form)} ${coding} ${variant} ${sourceName(entry)}`;
  }
}

/**
 * A strong tag for exactly these bytes under exactly this type (RFC 9110 8.8.3). Coded bytes follow from the uncoded
 * ones and the compressor.
 */
function tagOf(digest: string, form: Form, coding: PageCoding): string {
  const compressor = coding === 'identity' ? '' : COMPRESSOR;
  const seal = createHash('sha256').update(`${RENDERER_VERSION} ${nameOf(form)} ${coding} ${compressor} ${digest}`);
  return `"${seal.digest('hex').slice(0, 32)}"`;
}

function nameOf(form: Form): string {
  return typeof form === 'string' ? form : `${form.kind} ${form.root}`;
}
