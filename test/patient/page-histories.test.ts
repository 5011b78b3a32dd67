// Seeded histories of pages: hashes are dropped, changed to another algorithm, listed twice, files leave and return, the
// project is gone for a while, mirrors lie or are away, the proxy restarts. Whatever an index says, a name that was once
// seen with a hash never gets other bytes, and what was installed once installs again.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { Random, seedOf } from '../fuzz/random.ts';
import { get } from '../support/proxy/http-client.ts';
import { severalIndexes } from '../support/proxy/several-indexes.ts';
import type { FakeIndex, Listing } from '../support/upstream/fake-index.ts';
import * as faults from '../support/upstream/faults.ts';
import { type Distribution, wheel } from '../support/upstream/wheels.ts';

const JSON_PAGE = { accept: 'application/vnd.pypi.simple.v1+json' };
const VERSIONS = ['1.0', '2.0', '3.0', '4.0'];
const HONEST = VERSIONS.map((version) => wheel({ name: 'demo', version }));
/** Other bytes under the same names, and other core metadata. */
const OTHERS = VERSIONS.map((version) =>
  wheel({ name: 'demo', version, requires: ['injected'], files: { 'demo.py': `VERSION = "other ${version}"\n` } }),
);

interface Listed {
  readonly file: Distribution;
  readonly listing: Listing;
}
type Page = Listed[][];

interface Shown {
  readonly filename: string;
  readonly url: string;
  readonly hashes: Readonly<Record<string, string>>;
  readonly 'core-metadata'?: boolean | Readonly<Record<string, string>>;
}

const digest = (algorithm: string, bytes: Buffer) => createHash(algorithm).update(bytes).digest('hex');
const honestPage = (): Page => HONEST.map((file) => [{ file, listing: {} }]);

/** How one file is listed next. A lying index does everything; an honest one only what loses nothing. */
function nextListing(random: Random, i: number, index: FakeIndex, now: readonly Listed[]): Listed[] {
  const [honest, other] = [HONEST[i]!, OTHERS[i]!];
  const both = { sha256: other.sha256, md5: digest('md5', other.bytes) };
  const sameUrl = { url: `../..${index.pathOf(honest)}` };
  const kinds: (() => Listed[])[] = [
    () => [{ file: honest, listing: {} }],
    () => [],
    () => [{ file: other, listing: {} }],
    () => [{ file: other, listing: { hashes: {} } }],
    () => [{ file: honest, listing: { hashes: {} } }],
    () => [{ file: other, listing: { hashes: { sha512: digest('sha512', other.bytes) } } }],
    () => [{ file: honest, listing: { hashes: { sha512: digest('sha512', honest.bytes) } } }],
    () => [{ file: other, listing: { hashes: { md5: both.md5 } } }],
    () => [{ file: other, listing: { hashes: both } }],
    () => [{ file: other, listing: { hashes: { SHA256: honest.sha256 } } }],
    () => [{ file: other, listing: { hashes: { sha256: '' } } }],
    () => [
      { file: honest, listing: {} },
      { file: other, listing: {} },
    ],
    () => [
      { file: other, listing: {} },
      { file: honest, listing: {} },
    ],
    () => [
      { file: honest, listing: {} },
      { file: other, listing: { hashes: {} } },
    ],
    () => [{ file: other, listing: sameUrl }],
    () => [{ file: other, listing: { ...sameUrl, hashes: {} } }],
    () => [{ file: honest, listing: { coreMetadata: { sha256: other.metadataSha256 } } }],
    () => [{ file: honest, listing: { coreMetadata: true } }],
    () => now.map(({ file, listing }) => ({ file, listing: { ...listing, yanked: 'by chance' } })),
  ];
  return random.pick(kinds)();
}

function publish(index: FakeIndex, page: Page | undefined): void {
  try {
    index.remove('demo');
  } catch {
    // It was gone already.
  }
  for (const { file, listing } of page?.flat() ?? []) index.addListed('demo', file, listing);
}

async function play(t: TestContext, seed: number, mirrors: 1 | 2): Promise<void> {
  const random = new Random(seed);
  const manners = random.chance(0.5) ? {} : { serials: false };
  const world = await severalIndexes(t, { main: { mirrors: Array(mirrors).fill(manners) } });
  const indexes = world.mirrors('main');
  const pages: (Page | undefined)[] = indexes.map(() => honestPage());
  const isDown = indexes.map(() => false);
  /** By filename: the bytes that it was first seen with. */
  const known = new Map<string, string>();
  /** By URL: what was installed from it. */
  const installed = new Map<string, string>();
  const steps: string[] = [];
  const told = () => `seed ${seed}, ${mirrors} mirrors: ${steps.join('; ')}`;
  for (const [i, page] of pages.entries()) publish(indexes[i]!, page);

  const look = async () => {
    const answer = await get(`${world.proxy.url}/simple/demo/`, JSON_PAGE);
    if (answer.status !== 200) return;
    for (const shown of (answer.json() as { readonly files: readonly Shown[] }).files) {
      const { filename, hashes } = shown;
      const url = new URL(shown.url, `${world.proxy.url}/simple/demo/`);
      const claims = Object.values(hashes);
      const [first] = [HONEST, OTHERS].flatMap((files) =>
        files.filter((file) => file.filename === filename && claims.includes(file.sha256)),
      );
      if (claims.length > 0 && first !== undefined && !known.has(filename)) known.set(filename, first.sha256);
      const right = known.get(filename);
      if (right !== undefined) {
        assert.ok(
          hashes.sha256 === undefined || hashes.sha256 === right,
          `${filename} is shown with another hash; ${told()}`,
        );
      }
      const file = await get(url.href);
      if (file.status !== 200) continue;
      if (right !== undefined) {
        assert.equal(file.sha256, right, `${filename} at ${url.pathname} has other bytes; ${told()}`);
        installed.set(url.pathname, right);
      }
      const claim = shown['core-metadata'];
      const isHonest = right === HONEST.find((honest) => honest.filename === filename)?.sha256;
      if (typeof claim !== 'object' || !isHonest) continue;
      const metadata = await get(`${url.href}.metadata`);
      if (metadata.status !== 200) continue;
      assert.equal(metadata.sha256, claim.sha256, `the metadata of ${filename} is not what the page says; ${told()}`);
    }
  };

  await look();
  for (let step = 0; step < 14; step += 1) {
    const m = mirrors - 1;
    const index = indexes[m]!;
    const kind = random.below(10);
    if (kind === 0) {
      pages[m] = undefined;
      publish(index, undefined);
      steps.push('the project is gone');
      // Believed after a minute.
      for (let i = 0; i < 2; i += 1) {
        world.clock.advance(121_000);
        await look();
      }
    } else if (kind === 1) {
      steps.push('restart');
      await world.restart({});
    } else if (kind === 2) {
      const which = random.below(mirrors);
      steps.push(`mirror ${which} ${isDown[which] ? 'up' : 'down'}`);
      indexes[which]!.clearFaults();
      if (!isDown[which]) indexes[which]!.fault(/^\/simple\//, faults.status(503));
      isDown[which] = !isDown[which];
    } else {
      const page = pages[m] ?? HONEST.map(() => []);
      const i = random.below(VERSIONS.length);
      page[i] = nextListing(random, i, index, page[i]!);
      steps.push(
        `${VERSIONS[i]} as ${JSON.stringify(page[i]!.map(({ file, listing }) => [file === HONEST[i] ? 'honest' : 'other', listing]))}`,
      );
      pages[m] = page;
      publish(index, page);
      // Bytes are overwritten where the URL is the same.
      for (const { file, listing } of page[i]!) {
        if (listing.url !== undefined) index.fault(index.pathOf(HONEST[i]!), faults.replacedBody(file.bytes));
      }
    }
    world.clock.advance(random.pick([61_000, 121_000, 17 * 60_000]));
    await look();
    for (const [path, right] of installed) {
      const again = await get(`${world.proxy.url}${path}`);
      assert.deepEqual([again.status, again.sha256], [200, right], `${path} was installed before; ${told()}`);
    }
  }
}

const seed = seedOf(20_261);
for (const mirrors of [1, 2] as const) {
  test(`no known name ever gets other bytes, and no install that worked fails (${mirrors === 1 ? 'one upstream' : 'two mirrors'})`, async (t) => {
    for (let i = 0; i < 15; i += 1) await play(t, seed + i, mirrors);
  });
}
