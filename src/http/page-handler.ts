// Index pages over HTTP: negotiation, conditional requests, and the fast way for pages that are ready.

import { LRUCache } from 'lru-cache';
import type { IndexService, PageAnswer } from '../index/index-service.ts';
import { negotiateCoding, negotiateFormat, type PageCoding, type PageFormat } from '../index/negotiate.ts';
import type { ProjectName } from '../index/project-name.ts';
import { pageCacheFields } from './cache-fields.ts';
import type { Exchange } from './exchange.ts';

export interface PageHandlerOptions {
  readonly service: IndexService;
  /** The indexes that `/simple/` asks, in order. */
  readonly defaultIndexes: readonly string[];
  readonly onStale: (kind: 'page' | 'list', answer: PageAnswer['answer']) => void;
}

/** Header texts that clients of one version all send alike; more than this is an attack or noise. */
const MAX_REMEMBERED = 1_000;

export class PageHandler {
  readonly #options: PageHandlerOptions;
  readonly #formats = new LRUCache<string, PageFormat>({ max: MAX_REMEMBERED });
  readonly #codings = new LRUCache<string, PageCoding>({ max: MAX_REMEMBERED });

  constructor(options: PageHandlerOptions) {
    this.#options = options;
  }

  async detail(
    exchange: Exchange,
    index: string | undefined,
    project: ProjectName,
    query: string | undefined,
  ): Promise<void> {
    exchange.kind = 'page';
    const indexes = this.#indexes(index);
    const format = this.#format(exchange, query);
    const coding = this.#coding(exchange);
    const insist = insists(exchange);
    const ready = insist ? undefined : this.#options.service.peekDetail(indexes, project, format, coding);
    if (ready !== undefined) return this.#send(exchange, ready);
    this.#send(exchange, await this.#options.service.projectDetail(indexes, project, format, coding, { insist }));
  }

  async list(exchange: Exchange, index: string | undefined, query: string | undefined): Promise<void> {
    exchange.kind = 'list';
    const format = this.#format(exchange, query);
    const coding = this.#coding(exchange);
    const insist = insists(exchange);
    this.#send(exchange, await this.#options.service.projectList(this.#indexes(index), format, coding, { insist }));
  }

  #send(exchange: Exchange, { answer, page }: PageAnswer): void {
    exchange.outcome = answer.outcome;
    if (answer.stale !== undefined) this.#options.onStale(exchange.kind === 'list' ? 'list' : 'page', answer);
    const cacheFields = pageCacheFields(answer);
    const known = exchange.request.headers['if-none-match'];
    // RFC 9110 13.1.2: weak comparison; our tags are strong, so W/ in front of one changes nothing.
    if (known !== undefined && (known.includes(page.etag) || known.trim() === '*')) {
      exchange.send(304, page.notModifiedFields.concat(cacheFields));
      return;
    }
    exchange.send(200, page.fields.concat(cacheFields), page.bytes);
  }

  #indexes(index: string | undefined): readonly string[] {
    return index === undefined ? this.#options.defaultIndexes : [index];
  }

  #format(exchange: Exchange, query: string | undefined): PageFormat {
    const accept = exchange.request.headers.accept;
    if (query !== undefined) return negotiateFormat(accept, query);
    let format = this.#formats.get(accept ?? '');
    if (format === undefined) {
      format = negotiateFormat(accept);
      this.#formats.set(accept ?? '', format);
    }
    return format;
  }

  #coding(exchange: Exchange): PageCoding {
    const accepted = exchange.request.headers['accept-encoding'];
    if (accepted === undefined) return 'identity';
    let coding = this.#codings.get(String(accepted));
    if (coding === undefined) {
      coding = negotiateCoding(String(accepted));
      this.#codings.set(String(accepted), coding);
    }
    return coding;
  }
}

/** Whether the client wants a validated answer. pip's routine `max-age=0` is not such a wish (design: section 6). */
function insists(exchange: Exchange): boolean {
  const control = exchange.request.headers['cache-control'];
  return control !== undefined && /(?:^|[\s,])no-cache(?:$|[\s,])/i.test(control);
}
