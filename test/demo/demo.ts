// Wheelkeep in half a minute, without a network: a sample index, an install through Wheelkeep, the index killed, the
// install again on a clean folder, a stored file damaged, and healed. With --stay it runs on at the end, with --walk it uses no pip.

import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../support/clock/until.ts';
import { storedBlobs } from '../support/disk/stored-files.ts';
import { makeFolder, removeFolder } from '../support/disk/temporary-folder.ts';
import { freePort } from '../support/proxy/free-port.ts';
import { get } from '../support/proxy/http-client.ts';
import { type SpawnedProxy, spawnProxy } from '../support/proxy/spawned-proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { type Distribution, wheel } from '../support/upstream/wheels.ts';
import { findInstaller, type Installer, installed, WALK } from './installer.ts';

const APP = wheel({ name: 'demo-app', version: '1.0', requires: ['demo-lib>=2'], sizeBytes: 40_000 });
const LIB = wheel({ name: 'demo-lib', version: '2.1', sizeBytes: 300_000 });
const PROJECTS = ['demo-app', 'demo-lib'];

/** How long the index may take to be asked again once it is back: the breaker probes after 5 s at first. */
const RETURN_LIMIT_MS = 12_000;

class Demo {
  readonly #index: FakeIndex;
  readonly #folder: string;
  readonly #port: number;
  readonly #installer: Installer;
  readonly #say: (line: string) => void;
  #proxy!: SpawnedProxy;
  #installs = 0;

  constructor(world: {
    readonly index: FakeIndex;
    readonly folder: string;
    readonly port: number;
    readonly installer: Installer;
    readonly say: (line: string) => void;
  }) {
    this.#index = world.index;
    this.#folder = world.folder;
    this.#port = world.port;
    this.#installer = world.installer;
    this.#say = world.say;
  }

  /** Plays all five acts; rejects when one of them does not go as it is told. */
  async play(): Promise<void> {
    const say = this.#say;
    say(`A sample index with two wheels made on the spot listens on ${this.#index.url}`);
    await this.#start();
    say(`Wheelkeep listens on ${this.#proxy.url}/ and knows nothing yet.`);

    say(`\n1. A first install through it, with ${this.#installer.name}:`);
    await this.#install();

    say('\n2. The sample index is killed. So is Wheelkeep (kill -9), and started again on what it has on disk.');
    await this.#proxy.stop('SIGKILL');
    await this.#index.down();
    await this.#start();
    say('   The same install, into an empty folder:');
    await this.#install();

    say('\n3. One byte of a stored wheel is flipped on disk, while the index is still away.');
    await this.#proxy.stop('SIGTERM');
    await flipByte(await this.#placeOf(LIB));
    await this.#start();
    const { status, text } = await get(this.#urlOf(LIB));
    if (status === 200) throw new Error('damaged bytes were served');
    say(`   Asking for it: ${status}, "${detailOf(text())}" Nobody gets the wrong bytes; the damaged file is gone.`);

    say('\n4. The index is back.');
    await this.#index.up();
    const seen = this.#index.fileRequests;
    await until(async () => (await get(this.#urlOf(LIB))).status === 200, 'the file is here again', RETURN_LIMIT_MS);
    say(`   Wheelkeep fetched the wheel again by itself (${this.#index.fileRequests - seen} file). The install:`);
    await this.#install();

    const metrics = await this.#proxy.metrics();
    const noticed = metrics['wheelkeep_integrity_failures_total{kind="damaged-blob"}'];
    if (noticed !== 1) throw new Error(`the damage was counted ${noticed} times, not once`);
    say(`\nCounted at ${this.#proxy.url}/metrics: damaged files noticed ${noticed}, wrong bytes served 0.`);
  }

  /** Where Wheelkeep is, with the final slash: in a browser the status page. */
  get url(): string {
    return `${this.#proxy.url}/`;
  }

  async stop(): Promise<void> {
    await this.#proxy?.stop('SIGKILL');
  }

  async #start(): Promise<void> {
    this.#proxy = await spawnProxy({ dataDir: this.#dataDir, upstreams: [this.#index.url], port: this.#port });
  }

  async #install(): Promise<void> {
    this.#installs += 1;
    const target = join(this.#folder, `site-packages-${this.#installs}`);
    const asked = this.#index.requests();
    const start = performance.now();
    await this.#installer.install(`${this.#proxy.url}/simple/`, PROJECTS, target);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    const requests = this.#index.requests() - asked;
    this.#say(`   installed ${await installed(target)} in ${seconds} s; requests to the index: ${requests}`);
  }

  get #dataDir(): string {
    return join(this.#folder, 'data');
  }

  /** The rule by which our file URLs map back: /files/<scheme>/<host>/<path>. */
  #urlOf(file: Distribution): string {
    return `${this.#proxy.url}/files/http/${new URL(this.#index.url).host}${this.#index.pathOf(file)}`;
  }

  async #placeOf(file: Distribution): Promise<string> {
    const place = (await storedBlobs(this.#dataDir)).find((path) => path.endsWith(file.sha256));
    if (place === undefined) throw new Error(`${file.filename} was not stored`);
    return place;
  }
}

async function flipByte(place: string): Promise<void> {
  const file = await open(place, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, 1000);
  await file.write(Buffer.from([byte[0]! ^ 1]), 0, 1, 1000);
  await file.close();
}

/** The sentence of an application/problem+json body. */
function detailOf(text: string): string {
  return (JSON.parse(text) as { readonly detail: string }).detail;
}

/** Plays the demo and cleans up, also when it fails; `stay` is awaited before the end. */
async function demo(
  say: (line: string) => void,
  walk: boolean,
  stay?: (url: string) => Promise<unknown>,
): Promise<void> {
  const start = performance.now();
  const folder = await makeFolder();
  const index = await FakeIndex.start();
  index.add('demo-app', APP);
  index.add('demo-lib', LIB);
  const installer = walk ? WALK : await findInstaller(folder);
  const play = new Demo({ index, folder, port: await freePort(), installer, say });
  try {
    await play.play();
    say(`Done in ${((performance.now() - start) / 1000).toFixed(1)} s.`);
    await stay?.(play.url);
  } finally {
    await Promise.all([play.stop(), index.close()]);
    await removeFolder(folder);
  }
}

const say = (line: string) => process.stdout.write(`${line}\n`);
const untilInterrupted = (url: string) => {
  say(`It runs on until Ctrl-C; in a browser ${url} shows what it counted.`);
  return once(process, 'SIGINT');
};
const flags = process.argv.slice(2);
try {
  await demo(say, flags.includes('--walk'), flags.includes('--stay') ? untilInterrupted : undefined);
} catch (error) {
  process.stderr.write(`the demo failed: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
