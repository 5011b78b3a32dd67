// Index pages over HTTP: negotiation, conditional requests, and the fast way for pages that are ready.

import { NotAcceptable } from '../core/errors.ts';
import { oncePerText } from '../http-semantics/memoize.ts';
import type { IndexService, PageAnswer } from '../index/index-service.ts';
import {
  CONTENT_TYPES,
  negotiateCoding,
  negotiateFormat,
  type PageCoding,
  type PageFormat,
} from '../pages/negotiate.ts';
import type { ProjectName } from '../pages/project-name.ts';
import { pageCacheFields } from './cache-fields.ts';
import type { Exchange } from './exchange.ts';
import type { ReadyAnswers } from './ready-answers.ts';
import { insists, sendRendered } from './send-rendered.ts';

/** The pages, and how their answers are sent. */
export interface PageHandlerOptions {
  readonly service: IndexService;
  /** The indexes that `/simple/` asks, in order. */
  readonly defaultIndexes: readonly string[];
  /** What the links of JSON pages begin with, with the final slash; they are relative without it. */
  readonly linkRoot: string | undefined;
  /** Who accepts no format of an index page gets 406, not HTML. */
  readonly strict: boolean;
  readonly ready: ReadyAnswers;
  readonly now: () => number;
  readonly onStale: (kind: 'page' | 'list', answer: PageAnswer['answer']) => void;
}

/** Answers pages and project lists over HTTP: negotiation, conditions, codings. */
export class PageHandler {
  readonly #options: PageHandlerOptions;
  /** Clients of one version all send the same fields. */
  readonly #formatOf = oncePerText((accept) => this.#negotiated(accept));
  readonly #codingOf = oncePerText(negotiateCoding);

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
    const linkRoot = format === 'json' ? this.#linkRoot(index) : undefined;
    const { service } = this.#options;
    const ready = insist ? undefined : service.peekDetail(indexes, project, format, coding, linkRoot);
    if (ready !== undefined) {
      const again = () => service.peekDetail(indexes, project, format, coding, linkRoot);
      this.#keepReady(exchange, ready, again);
      return this.#send(exchange, ready);
    }
    const options = { insist, linkRoot };
    await this.#send(exchange, await service.projectDetail(indexes, project, format, coding, options));
  }

  async list(exchange: Exchange, index: string | undefined, query: string | undefined): Promise<void> {
    exchange.kind = 'list';
    const format = this.#format(exchange, query);
    const coding = this.#coding(exchange);
    const insist = insists(exchange);
    const list = await this.#options.service.projectList(this.#indexes(index), format, coding, { insist });
    await this.#send(exchange, list);
  }

  /** Leaves a fresh answer where the next request of its kind finds it; `again` notes that the page is wanted. */
  #keepReady(exchange: Exchange, found: PageAnswer, again: () => PageAnswer | undefined): void {
    const { answer, page } = found;
    if (answer.outcome !== 'hit' || answer.remainingSeconds <= 0 || page.packed) return;
    // Not the exchange itself: request and response would stay in memory with the answer.
    const { sharing } = exchange;
    this.#options.ready.keep(exchange, {
      kind: 'page',
      outcome: 'hit',
      etag: page.etag,
      bytes: page.bytes,
      fields: page.fields,
      notModifiedFields: page.notModifiedFields,
      // Ages are whole seconds: the last one is left to the ordinary way.
      freshUntil: this.#options.now() + (answer.remainingSeconds - 1) * 1000,
      holds: () => {
        const now = again();
        return now?.answer.entry === answer.entry && now.page === page;
      },
      agingFields: () => pageCacheFields((again() ?? found).answer, sharing),
    });
  }

  #send(exchange: Exchange, found: PageAnswer): Promise<void> {
    const { answer } = found;
    if (answer.stale !== undefined) this.#options.onStale(exchange.kind === 'list' ? 'list' : 'page', answer);
    return sendRendered(exchange, found);
  }

  /** As relative links lead: below the index's own name where the page was asked for there. */
  #linkRoot(index: string | undefined): string | undefined {
    const { linkRoot } = this.#options;
    return linkRoot === undefined || index === undefined ? linkRoot : `${linkRoot}${index}/`;
  }

  #indexes(index: string | undefined): readonly string[] {
    return index === undefined ? this.#options.defaultIndexes : [index];
  }

  #format(exchange: Exchange, query: string | undefined): PageFormat {
    const accept = exchange.request.headers.accept;
    return query !== undefined || accept === undefined ? this.#negotiated(accept, query) : this.#formatOf(accept);
  }

  #negotiated(accept: string | undefined, query?: string): PageFormat {
    const format = negotiateFormat(accept, query, this.#options.strict);
    if (format !== 'none') return format;
    throw new NotAcceptable(`An index page is one of: ${Object.values(CONTENT_TYPES).join(', ')}.`);
  }

  #coding(exchange: Exchange): PageCoding {
    const accepted = exchange.request.headers['accept-encoding'];
    return accepted === undefined ? 'identity' : this.#codingOf(String(accepted));
  }
}
