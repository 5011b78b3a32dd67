// What every scenario about files begins with: a fake index with one wheel, a proxy in front of it, and the wheel's URL.

import type { TestContext } from 'node:test';
import type { Config, IndexConfig } from '../../../src/config/config.ts';
import { temporaryFolder } from '../disk/temporary-folder.ts';
import { FakeIndex, type FakeIndexOptions, type Listing } from '../upstream/fake-index.ts';
import { type Distribution, wheel } from '../upstream/wheels.ts';
import { type ProxyOptions, type RunningProxy, startProxy } from './proxy.ts';

export interface FileWorld {
  readonly index: FakeIndex;
  readonly proxy: RunningProxy;
  readonly file: Distribution;
  /** The path of the file at the fake index. */
  readonly path: string;
  /** The URL of the file at the proxy. */
  readonly url: string;
  /** Closes the proxy and starts another one on the same data folder. */
  restart(): Promise<RunningProxy>;
}

export interface FileWorldOptions {
  /** The least size of the wheel. */
  readonly sizeBytes?: number;
  readonly listing?: Listing;
  readonly index?: FakeIndexOptions;
  readonly config?: Partial<Config>;
  /** Settings of the one index. */
  readonly indexConfig?: Partial<IndexConfig>;
  readonly now?: () => number;
  /** The index has a name, which leads to these addresses. */
  readonly addresses?: readonly string[];
}

export const SMALL = 100_000;
/** Beyond 2 MB a file is sent while it arrives. */
export const LARGE = 3_000_000;

export async function fileWorld(test: TestContext, options: FileWorldOptions = {}): Promise<FileWorld> {
  const { addresses } = options;
  const index = await FakeIndex.start({ ...options.index, ...(addresses === undefined ? {} : { addresses }) });
  test.after(() => index.close());
  const file = wheel({ name: 'demo', version: '1.0', sizeBytes: options.sizeBytes ?? SMALL });
  index.addListed('demo', file, options.listing ?? {});
  const dataDir = await temporaryFolder(test);
  const upstream = new URL(index.url);
  if (addresses !== undefined) upstream.hostname = 'index.example';
  const settings: ProxyOptions = {
    upstreams: [upstream.href],
    dataDir,
    ...(options.config === undefined ? {} : { config: options.config }),
    ...(options.indexConfig === undefined ? {} : { indexConfig: options.indexConfig }),
    ...(options.now === undefined ? {} : { now: options.now }),
    ...(addresses === undefined ? {} : { overrides: { lookup: async () => addresses } }),
  };
  let proxy = await startProxy(settings);
  test.after(() => proxy.close());
  const path = index.pathOf(file);
  return {
    index,
    get proxy() {
      return proxy;
    },
    file,
    path,
    get url() {
      return `${proxy.url}/files/${upstream.protocol.slice(0, -1)}/${upstream.host}${path}`;
    },
    restart: async () => {
      await proxy.close();
      proxy = await startProxy(settings);
      return proxy;
    },
  };
}
