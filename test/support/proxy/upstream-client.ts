// A client of upstreams with small limits, and requests to it: what every upstream scenario begins with.

import type { Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import { UpstreamFailure } from '../../../src/core/errors.ts';
import type { Credentials } from '../../../src/net/credentials.ts';
import type { CredentialSource } from '../../../src/net/origin-rights.ts';
import { type FetchRequest, UpstreamClient, type UpstreamClientOptions } from '../../../src/net/upstream-client.ts';

/** A client that is closed when the test ends. */
export function upstreamClient(test: TestContext, options: Partial<UpstreamClientOptions> = {}): UpstreamClient {
  const client = new UpstreamClient({
    now: Date.now,
    random: () => 0.5,
    userAgent: 'wheelkeep-test/1 (+https://project.example)',
    configuredOrigins: [],
    proxy: { noProxy: '' },
    extraCertificates: { current: [] },
    connectTimeoutMs: 400,
    raceAfterMs: 50,
    ...options,
  });
  test.after(() => client.close());
  return client;
}

/** A GET to a configured origin that follows redirects and tries twice, unless told otherwise. */
export function get(url: string, options: Partial<FetchRequest> = {}): FetchRequest {
  return {
    url,
    method: 'GET',
    fields: ['accept', '*/*'],
    signal: new AbortController().signal,
    headersTimeoutMs: 5_000,
    maxBodyBytes: 1 << 20,
    mayRedirect: () => true,
    followRedirects: true,
    retry: true,
    trusted: 'configured',
    ...options,
  };
}

/** Credentials that nobody exchanges. */
export function fixed(value: Credentials): CredentialSource {
  return { value, renew: async () => {} };
}

export async function bytesOf(body: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The failure that `promise` must end with; anything else it ends with fails the test. */
export async function failureOf(promise: Promise<unknown>): Promise<UpstreamFailure> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof UpstreamFailure) return error;
    throw error;
  }
  throw new Error('it was expected to fail');
}
