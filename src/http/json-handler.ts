// The legacy JSON and provenance over HTTP: one media type each, so only the coding is negotiated.

import type { DocumentService } from '../index/document-service.ts';
import type { PageAnswer } from '../index/index-service.ts';
import { negotiateCoding, type PageCoding } from '../pages/negotiate.ts';
import type { Exchange } from './exchange.ts';
import type { Route } from './routes.ts';
import { insists, sendRendered } from './send-rendered.ts';

/** The documents beside the pages. */
export interface JsonHandlerOptions {
  readonly service: DocumentService;
  readonly defaultIndexes: readonly string[];
  /** With the final slash; the links of the legacy JSON are relative without it. */
  readonly publicUrl: string | undefined;
  readonly onStale: (kind: 'json', answer: PageAnswer['answer']) => void;
}

/** Answers legacy JSON and provenance over HTTP. */
export class JsonHandler {
  readonly #options: JsonHandlerOptions;

  constructor(options: JsonHandlerOptions) {
    this.#options = options;
  }

  async legacyJson(exchange: Exchange, route: Extract<Route, { kind: 'legacy-json' }>): Promise<void> {
    const { index, project, version } = route;
    const { publicUrl } = this.#options;
    const upwards = version === undefined ? '../../' : '../../../';
    const root = publicUrl === undefined ? upwards : publicUrl + (index === undefined ? '' : `${index}/`);
    await this.#answer(exchange, index, (indexes, coding, options) =>
      this.#options.service.legacyJson(indexes, { project, version, root }, coding, options),
    );
  }

  async provenance(exchange: Exchange, route: Extract<Route, { kind: 'provenance' }>): Promise<void> {
    await this.#answer(exchange, route.index, (indexes, coding, options) =>
      this.#options.service.provenance(indexes, route, coding, options),
    );
  }

  async #answer(
    exchange: Exchange,
    index: string | undefined,
    read: (indexes: readonly string[], coding: PageCoding, options: { insist: boolean }) => Promise<PageAnswer>,
  ): Promise<void> {
    exchange.kind = 'json';
    const indexes = index === undefined ? this.#options.defaultIndexes : [index];
    const accepted = exchange.request.headers['accept-encoding'];
    const coding = accepted === undefined ? 'identity' : negotiateCoding(String(accepted));
    const found = await read(indexes, coding, { insist: insists(exchange) });
    if (found.answer.stale !== undefined) this.#options.onStale('json', found.answer);
    await sendRendered(exchange, found);
  }
}
