// Whom we ask: one client for all upstreams, one asker for each index.

import type { Config, IndexConfig } from '../config/config.ts';
import { digestOf } from '../core/digest.ts';
import type { IncomingResponse } from '../core/http-message.ts';
import type { Agreement } from '../index/agreement.ts';
import { indexScope } from '../index/index-scope.ts';
import type { PagePool } from '../index/page-pool.ts';
import type { IndexDocumentKind, IndexUnderName } from '../index/page-resources.ts';
import { pageSource } from '../index/stored-page.ts';
import { OriginRights } from '../net/origin-rights.ts';
import type { Lookup } from '../net/resolver.ts';
import { UpstreamClient } from '../net/upstream-client.ts';
import { parseProjectName } from '../pages/project-name.ts';
import { IndexUpstream, isAnswer } from '../upstream/index-upstream.ts';
import type { ClientCertificates } from './client-certificates.ts';
import type { Basics } from './context.ts';
import type { CurrentSecrets } from './current-secrets.ts';

/** The client, and the askers and rights of each index. */
export interface Upstreams {
  readonly client: UpstreamClient;
  readonly askers: ReadonlyMap<string, IndexUpstream>;
  readonly indexes: ReadonlyMap<string, IndexUnderName>;
  /** What requests for each index may do, by its name. */
  readonly rights: ReadonlyMap<string, OriginRights>;
}

/** What upstreams are connected with. */
export interface UpstreamsOptions {
  readonly agreement: Agreement;
  readonly secrets: CurrentSecrets;
  readonly pagePool: PagePool;
  /** The client certificate for an upstream, as it is now. */
  readonly identityOf: ClientCertificates['identityOf'];
  /** Resolves the names of upstreams, in tests. */
  readonly lookup: Lookup | undefined;
  /** No upstream can be reached: an outage, as a drill plays it. */
  readonly cut: boolean;
}

/** Constructs them. */
export function connectUpstreams(basics: Basics, options: UpstreamsOptions): Upstreams {
  const { lookup, cut } = options;
  const { config, now, random, version, via } = basics;
  const client = new UpstreamClient({
    now,
    random,
    userAgent: `wheelkeep/${version} (caching proxy for Python package indexes)`,
    via,
    configuredOrigins: config.fileOrigins,
    proxy: config.proxy,
    extraCertificates: options.secrets.certificates,
    ...(lookup === undefined ? {} : { lookup }),
    cut,
  });
  const rights = new Map(
    config.indexes.map(({ name, upstreams }) => [
      name,
      new OriginRights(
        upstreams.map((upstream) => ({
          url: upstream.url,
          credentials: options.secrets.of(upstream),
          identity: options.identityOf(upstream),
        })),
      ),
    ]),
  );
  const documents = config.indexes.map(
    (index) => [index.name, askersOf(basics, index, { client, rights: rights.get(index.name)! }, options)] as const,
  );
  const askers = new Map(documents.map(([name, { page }]) => [name, page]));
  const scopes = scopesOf(config);
  const indexes = new Map(
    documents.map(([name, upstreams], i) => [
      name,
      { base: config.indexes[i]!.upstreams[0]!.url, scope: scopes.get(name)!, upstreams },
    ]),
  );
  return { client, askers, indexes, rights };
}

/** Under which the data of each index is kept, by its name: see `indexScope`. */
export function scopesOf({ indexes }: Pick<Config, 'indexes'>): ReadonlyMap<string, string> {
  return new Map(indexes.map(({ name, upstreams: [first] }) => [name, indexScope(name, first!.url)]));
}

/** How a kind of document is called in the log, where its trouble is not that of the pages. */
const CALLED: Readonly<Record<IndexDocumentKind, string | undefined>> = {
  page: undefined,
  list: 'project list',
  'legacy-json': 'legacy JSON',
  provenance: 'provenance',
};
/** The label of each kind in the metrics. */
const LABELS = { page: 'page', list: 'list', 'legacy-json': 'json', provenance: 'json' } as const;

/** Who asks for each kind of document of an index: a circuit and pauses of their own for each. */
function askersOf(
  { config, now, random, telemetry }: Basics,
  index: IndexConfig,
  { client, rights }: { readonly client: UpstreamClient; readonly rights: OriginRights },
  { agreement, pagePool }: UpstreamsOptions,
): Readonly<Record<IndexDocumentKind, IndexUpstream>> {
  const asker = (kind: IndexDocumentKind): IndexUpstream =>
    new IndexUpstream({
      client,
      bases: index.upstreams,
      rights,
      ...(index.order !== undefined && { order: index.order }),
      missingStatuses: index.missingStatuses,
      missingRedirects: index.missingRedirects === true,
      pageOrigins: index.pageOrigins,
      accept: index.accept,
      maxPageBytes: config.maxPageBytes,
      now,
      random,
      // Every index has a list of its projects, or says that it has none.
      ...(kind === 'page' && { neutralPath: '' }),
      check: (path, response, body) => checkNeutral(pagePool, kind, path, response, body),
      onEvent: (event) => telemetry.mirrorEvent(event, CALLED[kind]),
      count: (result) => {
        telemetry.pageRequest(result, LABELS[kind]);
        if (isAnswer(result)) agreement.note(index.name);
      },
    });
  return {
    page: asker('page'),
    list: asker('list'),
    'legacy-json': asker('legacy-json'),
    provenance: asker('provenance'),
  };
}

/** Whether the answer to a probe is what a working index sends, and no portal's page. */
async function checkNeutral(
  pagePool: PagePool,
  kind: IndexDocumentKind,
  path: string,
  response: IncomingResponse,
  body: Buffer,
): Promise<void> {
  const project = kind === 'page' && path !== '' ? parseProjectName(path.slice(0, -1))?.name : undefined;
  const source = pageSource(response, body, project, digestOf(body));
  if (kind === 'page' || kind === 'list') await pagePool.check(source);
  else await pagePool.checkDocument(source, kind);
}

/** The origins of all upstreams of all indexes, in the order of the configuration. */
export function indexOrigins({ indexes }: Config): string[] {
  return indexes.flatMap(({ upstreams }) => upstreams.map(({ url }) => new URL(url).origin));
}

/** Where an index takes uploads, the first one without a name; `/legacy/` of its first upstream unless it is configured. */
export function uploadUrl({ indexes }: Config, name: string | undefined): string {
  const { uploadUrl, upstreams } = indexes.find((index) => name === undefined || index.name === name)!;
  return uploadUrl ?? new URL('/legacy/', upstreams[0]!.url).href;
}
