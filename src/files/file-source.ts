// How a file is fetched: from the URL that its page gives, from public https hosts or origins that the configuration
// names, whole or from a byte on.

import type { Ask, Expectation, Profile, Resource } from '../cache/profile.ts';
import type { IncomingResponse } from '../http-message.ts';
import type { UpstreamClient } from '../upstream/upstream-client.ts';

export interface FileSourceOptions {
  readonly client: Pick<UpstreamClient, 'fetch' | 'reportWrongBytes'>;
  readonly maxFileBytes: number;
  /** Origins that the configuration names: they may be private or plain http. */
  readonly configuredOrigins: ReadonlySet<string>;
}

export interface FileResource {
  readonly key: string;
  readonly index: string;
  readonly url: string;
  readonly profile: Profile;
  readonly expected: Expectation | undefined;
  readonly sizeBytes: number | undefined;
}

/** A file's first byte reaches pip within 14 s, its page included: pip gives up at 15 s. */
const HEADERS_TIMEOUT_MS = 9_000;

export class FileSource {
  readonly #options: FileSourceOptions;

  constructor(options: FileSourceOptions) {
    this.#options = options;
  }

  resource(file: FileResource): Resource {
    return {
      key: file.key,
      upstream: file.index,
      profile: file.profile,
      request: { method: 'GET', url: file.url, fields: [] },
      ...(file.expected === undefined ? {} : { expected: file.expected }),
      ...(file.sizeBytes === undefined ? {} : { expectedSizeBytes: file.sizeBytes }),
      fetch: (ask) => this.#fetch(file.url, ask),
      onWrongBody: (source) => this.#options.client.reportWrongBytes(source),
    };
  }

  #fetch(url: string, ask: Ask): Promise<IncomingResponse> {
    const trusted = this.#options.configuredOrigins.has(new URL(url).origin) ? 'configured' : 'listed';
    // Identity: a coding on the way would change the bytes that the hash is about.
    const fields = ['accept', '*/*', 'accept-encoding', 'identity', ...ask.conditions];
    if (ask.fromByte > 0) fields.push('range', `bytes=${ask.fromByte}-`);
    return this.#options.client.fetch({
      url,
      method: 'GET',
      fields,
      signal: ask.signal,
      headersTimeoutMs: HEADERS_TIMEOUT_MS,
      maxBodyBytes: this.#options.maxFileBytes,
      // Storage often lies elsewhere; the egress guard judges every hop, and the hash judges the bytes.
      mayRedirect: () => true,
      followRedirects: true,
      retry: true,
      trusted,
      ...(ask.avoid.size > 0 ? { avoidSources: ask.avoid, freshConnection: true } : {}),
    });
  }
}
