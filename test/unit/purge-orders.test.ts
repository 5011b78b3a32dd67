// A purge among fetches of the same key: every order in which their steps can follow one another is played, by gates
// before each step. Whatever the order, nothing of before the purge is left, what is stored is whole, and each client
// has its answer.

import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import type { Resource } from '../../src/cache/profile.ts';
import { ReadThrough } from '../../src/cache/read-through.ts';
import { type Digest, digestOf } from '../../src/core/digest.ts';
import { pageProfile } from '../../src/index/page-profile.ts';
import type { Blob, BlobStore, BlobWriter } from '../../src/store/blobs/blob-store.ts';
import { BodyWriteRetries } from '../../src/store/blobs/body-write-retries.ts';
import { RecentBodies } from '../../src/store/blobs/recent-bodies.ts';
import { MemoryBlob } from '../../src/store/blobs/stored-blob.ts';
import type { EntryRecord, Json } from '../../src/store/entries/entry.ts';
import type { EntryStore } from '../../src/store/entries/entry-store.ts';
import { testConfig } from '../support/proxy/proxy.ts';

const KEY = 'page:main:demo';
const PROFILE = pageProfile('page', testConfig({ upstreams: ['https://index.example/'], dataDir: '/nowhere' }));

/** `before`: its client asks before the purge is ordered; `after`: afterwards. */
type Actor = 'before' | 'purge' | 'after';
const actor = new AsyncLocalStorage<Actor>();

interface Waiting {
  readonly who: Actor;
  readonly step: string;
  readonly go: () => void;
}

class Play {
  readonly records = new Map<string, EntryRecord>();
  readonly bodies = new Map<string, { readonly bytes: Buffer; readonly description: Json }>();
  readonly waiting: Waiting[] = [];
  readonly played: string[] = [];
  now = 1_000;
  gated = false;

  async gate(step: string): Promise<void> {
    if (!this.gated) return;
    const who = actor.getStore()!;
    await new Promise<void>((go) => this.waiting.push({ who, step, go }));
    this.now++;
  }

  readonly entries = {
    changes: 0,
    diskAnswers: true,
    peek: (key: string) => this.records.get(key),
    reread: (key: string) => this.records.get(key),
    get: async (key: string) => this.records.get(key),
    getShared: async () => undefined,
    getSharedBody: async () => undefined,
    setSharedBody: () => {},
    set: async (key: string, record: EntryRecord) => {
      await this.gate('writes the record');
      this.records.set(key, record);
    },
    delete: async (key: string) => {
      await this.gate('removes the record');
      this.records.delete(key);
    },
  } as unknown as EntryStore;

  readonly blobs = {
    openOwned: async (name: string) => {
      const body = this.bodies.get(name);
      if (body === undefined) return undefined;
      const blob: Blob = new MemoryBlob(digestOf(body.bytes), body.bytes);
      return { blob, description: body.description };
    },
    create: async (): Promise<BlobWriter> => ({
      write: async () => {},
      read: async () => 0,
      publish: async () => {},
      publishAs: async (
        name: string,
        _digest: Digest,
        description: Json,
        _sync: unknown,
        rest: readonly Buffer[] = [],
      ) => {
        await this.gate('publishes the body');
        this.bodies.set(name, { bytes: Buffer.concat(rest), description });
      },
      discard: async () => {},
    }),
    remove: async () => {},
    removeOwned: async (name: string) => {
      await this.gate('removes the body');
      this.bodies.delete(name);
    },
    invalidate: () => {},
  } as unknown as BlobStore;

  readonly readThrough = new ReadThrough({
    blobs: this.blobs,
    entries: this.entries,
    // Bodies have to be found where they are stored.
    recent: new RecentBodies({ maxBytes: 1 }),
    bodyWriteRetries: new BodyWriteRetries(),
    now: () => this.now,
    random: () => 0.5,
    observe: { integrityFailure: () => {}, diskFailure: assert.fail, received: () => {}, ownFault: assert.fail },
    onCollapsed: () => {},
  });

  /** `answers`: what upstream says to conditions. */
  resource(answers: 200 | 304): Resource {
    return {
      key: KEY,
      upstream: 'main',
      profile: PROFILE,
      request: { method: 'GET', url: 'https://index.example/simple/demo/', fields: [] },
      fetch: async ({ conditions }) => {
        const requestTime = this.now;
        await this.gate('has its answer');
        const status = conditions.length > 0 ? answers : 200;
        const text = this.gated ? `of ${actor.getStore()}` : 'of long ago';
        const fields = ['etag', status === 304 ? '"of long ago"' : `"${text}"`, 'content-type', 'text/html'];
        const body = Readable.from(status === 304 ? [] : [Buffer.from(text)]) as never;
        const url = 'https://index.example/simple/demo/';
        return { status, fields, url, source: 'index.example', requestTime, responseTime: this.now, body };
      },
      check: async () => ({}),
      onWrongBody: () => {},
    };
  }

  /** Plays the actors; `choose` says which of those that wait goes on. Resolves when all are done. */
  async run(actors: readonly (readonly [Actor, () => Promise<unknown>])[], choose: (count: number) => number) {
    this.gated = true;
    const results = actors.map(([who, act]) =>
      actor.run(who, async () => {
        await this.gate('begins');
        return act();
      }),
    );
    let done = false;
    const all = Promise.allSettled(results).then((settled) => {
      done = true;
      return settled;
    });
    for (;;) {
      await quiet();
      // The client of afterwards asks when the purge has been ordered.
      const isOrdered = !this.waiting.some(({ who, step }) => who === 'purge' && step === 'begins');
      const ready = this.waiting.filter(({ who, step }) => isOrdered || who !== 'after' || step !== 'begins');
      if (ready.length === 0) {
        if (done) break;
        continue;
      }
      const next = ready[choose(ready.length)]!;
      this.waiting.splice(this.waiting.indexOf(next), 1);
      this.played.push(`${next.who} ${next.step}`);
      next.go();
    }
    this.gated = false;
    return all;
  }
}

/** Until nothing goes on by itself. */
async function quiet(): Promise<void> {
  for (let i = 0; i < 12; i++) await new Promise(setImmediate);
}

/** Chooses as in `prefix`, then always the first; `counts` tells how many there were to choose from. */
function choosing(prefix: readonly number[]) {
  const counts: number[] = [];
  const choose = (count: number) => {
    counts.push(count);
    return prefix[counts.length - 1] ?? 0;
  };
  return { choose, counts };
}

/** All runs of a play, depth first. */
async function everyOrder(run: (choose: (count: number) => number) => Promise<void>): Promise<number> {
  let prefix: number[] | undefined = [];
  let runs = 0;
  while (prefix !== undefined) {
    const { choose, counts } = choosing(prefix);
    await run(choose);
    runs++;
    const taken = counts.map((_, i) => prefix![i] ?? 0);
    let last = taken.length - 1;
    while (last >= 0 && taken[last]! + 1 >= counts[last]!) last--;
    prefix = last < 0 ? undefined : [...taken.slice(0, last), taken[last]! + 1];
  }
  return runs;
}

async function play(
  what: { readonly held: boolean; readonly answers: 200 | 304; readonly clients: readonly ('before' | 'after')[] },
  choose: (count: number) => number,
): Promise<void> {
  const world = new Play();
  const resource = world.resource(what.answers);
  if (what.held) {
    await world.readThrough.read(resource);
    world.now += 3_600_000;
  }
  const ask = () => world.readThrough.read(resource, { patienceMs: Number.POSITIVE_INFINITY });
  const settled = await world.run(
    [...what.clients.map((who) => [who, ask] as const), ['purge', () => world.readThrough.purge([KEY])]],
    choose,
  );
  const story = world.played.join('\n');
  for (const one of settled) assert.equal(one.status, 'fulfilled', `${JSON.stringify(one)}\n${story}`);
  const body = world.bodies.get(KEY)?.bytes.toString();
  const entry = world.records.get(KEY)?.variants[0];
  // A client that asks before may do so after the order, by the order of the steps.
  const asked = (who: Actor) => world.played.indexOf(`${who} begins`);
  const mayStay = what.clients.filter((who) => asked(who) > asked('purge')).map((who) => `of ${who}`);
  if (body !== undefined) assert.ok(mayStay.includes(body), `left: ${body}\n${story}`);
  if (entry !== undefined) assert.equal(entry.body?.digest, digestOf(body ?? 'nothing'), `no body\n${story}`);
  const purged = world.played.findLastIndex((one) => one.startsWith('purge '));
  const last = what.clients.filter((who) => asked(who) > purged);
  if (last.length > 0) assert.ok(body !== undefined && entry !== undefined, `nothing left\n${story}`);
}

for (const [title, what] of [
  ['a first fetch', { held: false, answers: 200, clients: ['before'] }],
  ['a revalidation that brings a new page', { held: true, answers: 200, clients: ['before'] }],
  ['a revalidation that confirms the old page', { held: true, answers: 304, clients: ['before'] }],
] as const) {
  test(`${title} meets a purge: in every order nothing of before it is left`, async () => {
    const runs = await everyOrder((choose) => play(what, choose));
    assert.ok(runs >= 5, `${runs} orders`);
  });
}

for (const held of [false, true]) {
  for (const answers of [200, 304] as const) {
    test(`a fetch that a purge overtakes leaves alone what the next one brings (${held ? `held, ${answers}` : 'nothing held'})`, async () => {
      const runs = await everyOrder((choose) => play({ held, answers, clients: ['before', 'after'] }, choose));
      assert.ok(runs >= 50, `${runs} orders`);
    });
  }
}
