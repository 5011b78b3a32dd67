// The effective configuration as a YAML file with the source of every value beside it: `wheelkeep check --print`.
// Secrets are replaced by stars, in credentials and in URLs alike.

import { Document, isMap, type Pair, Scalar } from 'yaml';
import type { Policy } from '../policy/policy.ts';
import { listenAddress, withoutSecrets } from './addresses.ts';
import type { Config, Credentials } from './config.ts';
import type { LoadedConfig } from './load.ts';
import { OPTIONS, type Option, type OptionKey } from './options.ts';
import { policyRecord } from './policies.ts';

/** An option's value as it is written in the file, and where it was found. */
export interface EffectiveValue {
  readonly value: string | number | boolean;
  readonly source: string;
}

/** Everything in one value: options by their dotted names, and the structures of the file. */
export function effectiveValues(loaded: LoadedConfig) {
  return { values: Object.fromEntries(optionValues(loaded)), ...structures(loaded.config) };
}

/** YAML text that reads back as the same configuration once the stars are replaced. */
export function effectiveYaml(loaded: LoadedConfig): string {
  const { config, read } = loaded;
  const document = new Document({});
  for (const [name, { value, source }] of optionValues(loaded)) {
    const node = document.createNode(value) as Scalar;
    document.setIn(name.split('.'), node);
    node.comment = ` ${source}`;
  }
  const { indexes, ...others } = structures(config);
  if (read.settings.upstream === undefined) document.setIn(['indexes'], document.createNode(indexes));
  for (const [key, value] of Object.entries(others)) document.setIn([key], document.createNode(value));
  commentPair(document, 'indexes', config.upstreamFoundIn);
  return document.toString({ lineWidth: 0 });
}

function optionValues({ config, read }: LoadedConfig): (readonly [name: string, EffectiveValue])[] {
  return (Object.keys(OPTIONS) as OptionKey[]).flatMap((key) => {
    const option = OPTIONS[key] as Option<unknown>;
    const setting = read.settings[key];
    // An empty list is what an option is that nobody set.
    if (setting === undefined || (Array.isArray(setting) && setting.length === 0)) return [];
    const text = key === 'dataDir' ? config.dataDir : option.unit.format(setting);
    const shown = option.secret ? '***' : withoutSecrets(text);
    // Numbers and switches are written as they are, without the quotes of a text.
    const value = typeof setting !== 'string' && String(setting) === text ? (setting as number | boolean) : shown;
    return [[option.name, { value, source: read.sources[key] }] as const];
  });
}

function commentPair(document: Document, key: string, comment: string): void {
  if (!isMap(document.contents)) return;
  const pair = document.contents.items.find((item: Pair) => (item.key as Scalar).value === key);
  if (pair?.key instanceof Scalar) pair.key.commentBefore = ` from ${comment}`;
}

function recordOf(policy: Policy | undefined): unknown {
  return policy === undefined ? 'none' : policyRecord(policy);
}

function structures(config: Config) {
  const { policy } = config;
  // One for all of them stands once, however it was written.
  const [first, ...others] = config.indexes.map(({ name }) => policy?.byIndex.get(name));
  const general = others.every((other) => other === first) ? first : undefined;
  const indexes = Object.fromEntries(
    config.indexes.map((index) => [
      index.name,
      {
        upstreams: index.upstreams.map(({ url, credentials, filesBase, clientCertificate }) =>
          credentials || filesBase || clientCertificate
            ? {
                url,
                ...(credentials && { credentials: hidden(credentials) }),
                ...(filesBase && { files_base: filesBase }),
                ...(clientCertificate && {
                  client_certificate: {
                    cert_file: clientCertificate.certFile,
                    key_file: clientCertificate.keyFile,
                  },
                }),
              }
            : url,
        ),
        ...(index.missingStatuses.length > 0 && { missing_statuses: index.missingStatuses }),
        ...(index.pageOrigins.length > 0 && { page_origins: index.pageOrigins }),
        ...(index.accept !== 'any' && { accept: index.accept }),
        ...(index.changedFiles === 'accept' && { changed_files: index.changedFiles }),
        ...(index.order === 'latency' && { order: index.order }),
        ...(index.extractMetadata && { extract_metadata: true }),
        ...(index.passRanges && { pass_ranges: true }),
        ...(index.missingRedirects && { missing_redirects: true }),
        ...(index.uploadUrl !== undefined && { upload_url: index.uploadUrl }),
        ...(general === undefined && policy !== undefined && { policy: recordOf(policy.byIndex.get(index.name)) }),
      },
    ]),
  );
  const raw = Object.fromEntries(
    config.raw.map((mount) => [
      mount.name,
      {
        origin: mount.origin,
        ...(mount.listen && { listen: listenAddress.format(mount.listen) }),
        ...(mount.staleIfErrorMs !== undefined && {
          stale_if_error: OPTIONS.staleIfError.unit.format(mount.staleIfErrorMs),
        }),
        ...(mount.overrideCacheControl !== undefined && { override_cache_control: mount.overrideCacheControl }),
        ...(mount.redirectOrigins.length > 0 && { redirect_origins: mount.redirectOrigins }),
        max_body: OPTIONS.maxFile.unit.format(mount.maxBodyBytes),
        ...(mount.credentials && { credentials: hidden(mount.credentials) }),
      },
    ]),
  );
  return {
    indexes,
    ...(config.indexes.length > 1 && { default: config.defaultIndexes }),
    ...(config.routes.length > 0 && { routes: config.routes }),
    ...(general !== undefined && { policy: policyRecord(general) }),
    ...(config.raw.length > 0 && { raw }),
  };
}

function hidden(credentials: Credentials): Record<string, string> {
  return credentials.kind === 'basic' ? { basic: `${credentials.user}:***` } : { bearer: '***' };
}
