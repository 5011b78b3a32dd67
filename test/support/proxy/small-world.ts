// The smallest world: a fake index, and a proxy in front of it. Both end with the test.

import type { TestContext } from 'node:test';
import { FakeIndex } from '../upstream/fake-index.ts';
import { type Distribution, wheel } from '../upstream/wheels.ts';
import { type ProxyOptions, type RunningProxy, startProxy } from './proxy.ts';

export interface SmallWorld {
  readonly index: FakeIndex;
  readonly proxy: RunningProxy;
}

export async function smallWorld(t: TestContext, options: Omit<ProxyOptions, 'upstreams'> = {}): Promise<SmallWorld> {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const proxy = await startProxy({ ...options, upstreams: [index.url] });
  t.after(() => proxy.close());
  return { index, proxy };
}

export interface FilesWorld extends SmallWorld {
  /** One of each size, of the projects demo0, demo1, … */
  readonly files: readonly Distribution[];
  /** The URL of a file at the proxy. */
  url(file: Distribution): string;
}

/** A small world whose index has a file of each size. */
export async function filesWorld(
  t: TestContext,
  sizes: readonly number[],
  options: Omit<ProxyOptions, 'upstreams'> = {},
): Promise<FilesWorld> {
  const world = await smallWorld(t, options);
  const { index, proxy } = world;
  const files = sizes.map((sizeBytes, i) => wheel({ name: `demo${i}`, version: '1.0', sizeBytes }));
  for (const [i, file] of files.entries()) index.add(`demo${i}`, file);
  const url = (file: Distribution) => `${proxy.url}/files/http/${new URL(index.url).host}${index.pathOf(file)}`;
  return { ...world, files, url };
}
