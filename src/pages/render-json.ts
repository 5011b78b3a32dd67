// Pages in JSON (PEP 691): upstream's objects with our links in them, their keys in upstream's order.

import { isJsonObject, type JsonObject } from './exact-json.ts';
import {
  CORE_METADATA_KEYS,
  type FileRecord,
  type ProjectDetail,
  type ProjectList,
  type RenderOptions,
} from './page.ts';

/** The page as JSON (PEP 691); unknown fields of upstream survive. */
export function detailJson(page: ProjectDetail, options: RenderOptions): string {
  const files = new Array<JsonObject>(page.files.length);
  for (let i = 0; i < files.length; i++) files[i] = fileObject(page.files[i]!, options);
  const { status } = page;
  return JSON.stringify({
    ...page.source,
    meta: metaObject(page.source, page.apiVersion),
    name: page.name,
    // Upstreams also write the status into meta, or as plain text: its place is here (PEP 792).
    ...(status !== undefined &&
      statusIn(page.source) !== status.status && {
        'project-status': { status: status.status, ...(status.reason !== undefined && { reason: status.reason }) },
      }),
    files,
  });
}

function statusIn(source: JsonObject): unknown {
  const status = source['project-status'];
  return isJsonObject(status) ? status.status : undefined;
}

/** The list as JSON (PEP 691); unknown fields of upstream survive. */
export function listJson(list: ProjectList): string {
  return JSON.stringify({ ...list.source, meta: metaObject(list.source, list.apiVersion) });
}

function metaObject(source: JsonObject, apiVersion: string): JsonObject {
  const meta = source.meta;
  return isJsonObject(meta) ? { ...meta, 'api-version': apiVersion } : { 'api-version': apiVersion };
}

function fileObject(file: FileRecord, options: RenderOptions): JsonObject {
  const { fileLink, provenanceLink, offersCoreMetadata, extractsCoreMetadata } = options;
  const { coreMetadata, provenance } = file;
  const mapped = provenance === undefined ? undefined : provenanceLink?.(provenance);
  const source = mapped === undefined ? file.source : { ...file.source, provenance: mapped };
  const url = fileLink(file.url);
  if (coreMetadata === undefined || coreMetadata === false) {
    return extractsCoreMetadata?.(file)
      ? { ...withoutCoreMetadata(source, url), 'core-metadata': true }
      : { ...source, url };
  }
  if (offersCoreMetadata !== undefined && !offersCoreMetadata(file)) return withoutCoreMetadata(source, url);
  // A claim under an old name only is repeated under today's.
  const named = source['core-metadata'];
  return named === undefined || named === null ? { ...source, url, 'core-metadata': coreMetadata } : { ...source, url };
}

function withoutCoreMetadata(source: JsonObject, url: string): JsonObject {
  const object: Record<string, unknown> = { ...source, url };
  for (const key of CORE_METADATA_KEYS) delete object[key];
  return object;
}
