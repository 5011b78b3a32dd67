// Builds the cache engine and the services for pages, documents and files over it.

import { leasesOfFolder } from '../cache/fetch-locks.ts';
import { ReadThrough } from '../cache/read-through.ts';
import type { Config, IndexConfig } from '../config/config.ts';
import { fileProfiles } from '../files/file-profile.ts';
import { FileService } from '../files/file-service.ts';
import { FileSource } from '../files/file-source.ts';
import { HostPauses } from '../files/host-pauses.ts';
import { ChangedFiles } from '../index/accept-changed-files.ts';
import { MirrorPages } from '../index/accept-mirror-page.ts';
import { DocumentResources, DocumentService } from '../index/document-service.ts';
import { Explain } from '../index/explain.ts';
import { IndexService } from '../index/index-service.ts';
import { KnownFiles } from '../index/known-files.ts';
import type { PagePool } from '../index/page-pool.ts';
import { pageProfile } from '../index/page-profile.ts';
import { PageResources } from '../index/page-resources.ts';
import { RenderedPages } from '../index/rendered-pages.ts';
import { unlistedVerdict } from '../index/verdicts.ts';
import { WithdrawnMetadata } from '../index/withdrawn-metadata.ts';
import { NameRouting } from '../pages/name-routing.ts';
import type { Move } from '../pages/page.ts';
import type { ProjectName } from '../pages/project-name.ts';
import type { Policies } from '../policy/policies.ts';
import type { IndexUpstream } from '../upstream/index-upstream.ts';
import type { OtherWorkers } from './context.ts';
import { type Basics, memoryShare } from './context.ts';
import type { Stores } from './stores.ts';
import type { Upstreams } from './upstreams.ts';

/** The cache engine and the services over it. */
export interface Services {
  readonly readThrough: ReadThrough;
  readonly pagePool: PagePool;
  readonly rendered: RenderedPages;
  readonly resources: PageResources;
  readonly index: IndexService;
  readonly documents: DocumentService;
  readonly files: FileService;
  readonly explain: Explain;
  readonly policies: Policies;
}

/** Constructs them. */
export function buildServices(
  basics: Basics,
  stores: Stores,
  { client, askers, indexes, rights }: Upstreams,
  pagePool: PagePool,
  otherWorkers: OtherWorkers | undefined,
  policies: Policies,
): Services {
  const { config, now, random, telemetry } = basics;
  const { blobs, entries, recent, bodyWriteRetries } = stores;
  const readThrough = new ReadThrough({
    blobs,
    entries,
    recent,
    bodyWriteRetries,
    now,
    random,
    observe: telemetry,
    leases: {
      workers: otherWorkers?.leases,
      nodes: entries.leases,
      folder: entries.leases && leasesOfFolder(entries.leases, config.dataDir),
    },
    onPurged: async (keys) => otherWorkers?.purged({ kind: 'forget', keys }),
    onCollapsed: (resource) => telemetry.collapsed(resource),
  });
  const rendered = new RenderedPages({ maxBytes: memoryShare(basics, 'renderedPages') });
  const routing = new NameRouting(config.routes);
  const accepting = new Set(config.indexes.filter((index) => index.changedFiles === 'accept').map(({ name }) => name));
  const onChanged = (project: ProjectName, filename: string, accepted: boolean) =>
    telemetry.changedFile(project, filename, accepted);
  const extracting = new Set(config.indexes.filter((index) => index.extractMetadata).map(({ name }) => name));
  const known = new KnownFiles({ entries, now, scopeOf: (index) => indexes.get(index)!.scope });
  const changedFiles = new ChangedFiles({
    pagePool,
    known,
    accepting,
    // Pages are judged long after all of this is built.
    metadataHere: (...file) => files.metadataHere(...file),
    onChanged,
    onDeparted: (index, project, files) => {
      const view = policies.view(index, project);
      const pulled = files.find(
        ({ filename, ...left }) => unlistedVerdict(view, filename ?? '', left, now())?.refusal.rule === 'removed',
      );
      telemetry.departedFiles(index, project, files.length, pulled && (pulled.filename ?? project));
    },
  });
  const resources = new PageResources({
    indexes,
    mirrors: mirrorPages(config, askers, { pagePool, changedFiles, onChanged }),
    changedFiles,
    readThrough,
    detailProfile: pageProfile('page', config),
    listProfile: pageProfile('list', config),
    pagePool,
    entries,
    now,
    onRemarks: (name, project, remarks) => telemetry.pageRemarks(name, project, remarks),
    onQuarantined: (name, project, reason) => telemetry.quarantined(name, project, reason),
  });
  const index = new IndexService({
    readThrough,
    pagePool,
    routing,
    rendered,
    provenanceRoot: config.publicUrl?.startsWith('https:') ? config.publicUrl : undefined,
    resources,
    extracting,
    withdrawn: new WithdrawnMetadata({ now }),
    policies,
    known,
    now,
  });
  const documents = new DocumentService({
    index,
    resources: new DocumentResources({ indexes, profile: pageProfile('json', config), pagePool }),
    readThrough,
    rendered,
    pagePool,
    policies,
  });
  const files: FileService = new FileService({
    index,
    scopeOf: (name) => indexes.get(name)!.scope,
    extracting,
    readThrough,
    departureOf: (...file) => known.departure(...file),
    policies,
    now,
    onRefused: (rule, mode) => telemetry.refused(rule, mode),
    profiles: fileProfiles({
      maxFileBytes: config.maxFileBytes,
      holdBackBytes: config.holdBackBytes,
      finishAbandonedBytes: config.finishAbandonedBytes,
      patienceMs: config.patienceMs,
      negativeFreshSeconds: config.negativeFreshMs / 1000,
    }),
    source: new FileSource({
      client,
      rightsOf: (name) => rights.get(name)!,
      maxFileBytes: config.maxFileBytes,
      pauses: new HostPauses({ now, random }),
      onAnswer: (kind, result) => telemetry.fileRequest(kind, result),
    }),
    passing: new Set(config.indexes.filter((index) => index.passRanges).map(({ name }) => name)),
    refusing: new Set(indexesOfOne(config).filter((name) => !accepting.has(name))),
    onWrongPart: (url) => telemetry.wrongPart(url),
    onRefusedFile: (project, filename) => onChanged(project, filename, false),
  });
  const explain = new Explain({ routing, resources, readThrough, entries, now });
  return { readThrough, pagePool, rendered, resources, index, documents, files, explain, policies };
}

/** Pages of several mirrors are measured by one another. */
function mirrorPages(
  { indexes, maxPageBytes }: Config,
  upstreams: ReadonlyMap<string, IndexUpstream>,
  {
    pagePool,
    changedFiles,
    onChanged,
  }: {
    readonly pagePool: PagePool;
    readonly changedFiles: ChangedFiles;
    readonly onChanged: (project: ProjectName, filename: string, accepted: boolean) => void;
  },
): Map<string, MirrorPages> {
  const mirrored = indexes.filter((index) => index.upstreams.length > 1);
  return new Map(
    mirrored.map((index) => {
      const bases = index.upstreams.map(({ url }) => url);
      const upstream = upstreams.get(index.name)!;
      const declared = declaredMoves(index);
      const judgement = new MirrorPages({
        index: index.name,
        upstream,
        bases,
        declared,
        pagePool,
        changedFiles,
        maxPageBytes,
        acceptsChangedFiles: index.changedFiles === 'accept',
        onChanged: (project, filename) => onChanged(project, filename, true),
      });
      return [index.name, judgement];
    }),
  );
}

/** Indexes of one upstream: nobody confirms what it says of a file. */
function indexesOfOne({ indexes }: Config): string[] {
  return indexes.filter(({ upstreams }) => upstreams.length === 1).map(({ name }) => name);
}

function declaredMoves({ upstreams: [first, ...others] }: IndexConfig): Move[] {
  const to = first?.filesBase;
  return others.flatMap(({ filesBase: from }) => (from === undefined || to === undefined ? [] : [{ from, to }]));
}
