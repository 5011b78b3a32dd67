// Plays spoiled answers of upstream to the whole app, one after the other: cold pages, held pages that are asked about
// again, and files. Nothing broken is served or stored, and what is held stays.

import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import type { TestContext } from 'node:test';
import { FakeClock } from '../support/clock/clock.ts';
import { storedBlobs } from '../support/disk/stored-files.ts';
import { type ClientResponse, fetchAll } from '../support/proxy/http-client.ts';
import { JSON_TYPE, listed } from '../support/proxy/page-client.ts';
import { type RunningProxy, startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import type { Fault } from '../support/upstream/fault-plan.ts';
import { wheel } from '../support/upstream/wheels.ts';
import { type SpoiledAnswer, spoiledAnswer } from './answer-shapes.ts';
import { Random } from './random.ts';

/** Longer than any pause, back-off or penalty: each answer is heard by somebody who has forgotten the last one. */
const STEP_MS = 15 * 60_000;

export async function fuzzAnswers(t: TestContext, count: number, seed: number): Promise<void> {
  const index = await FakeIndex.start({ pageCacheControl: 'max-age=60' });
  t.after(() => index.close());
  const clock = new FakeClock();
  const proxy = await startProxy({ upstreams: [index.url], now: clock.now });
  t.after(() => proxy.close());
  const game = new Game(index, proxy, clock, seed);
  for (let i = 0; i < count; i += 1) {
    if (i % 3 === 0) await game.coldPage(i);
    else if (i % 3 === 1) await game.heldPage(i);
    else await game.file(i);
  }
  assert.equal((await proxy.metrics()).wheelkeep_unhandled_errors_total ?? 0, 0);
  // Rejects when a stored file is not what its name says.
  assert.ok((await storedBlobs(proxy.dataDir)).length > 0);
}

class Game {
  readonly #index: FakeIndex;
  readonly #proxy: RunningProxy;
  readonly #clock: FakeClock;
  readonly #random: Random;
  readonly #seed: number;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(index: FakeIndex, proxy: RunningProxy, clock: FakeClock, seed: number) {
    this.#index = index;
    this.#proxy = proxy;
    this.#clock = clock;
    this.#random = new Random(seed);
    this.#seed = seed;
  }

  /** Nobody has it: a broken answer is an error of upstream's, and no word of it reaches the client. */
  async coldPage(i: number): Promise<void> {
    const name = `cold${i}`;
    this.#index.add(name, wheel({ name, version: '1.0' }));
    const { answer, about, verdict } = await this.#withSpoiled(`/simple/${name}/`, () => this.#page(name));
    if (verdict === 'broken') assert.ok(answer.status === 502 || answer.status === 503, about);
    if (answer.status === 200) assertPage(answer, about);
    else assertProblem(answer, about);
  }

  /** It is held: after a broken answer it is what it was, and the next good answer is believed. */
  async heldPage(i: number): Promise<void> {
    const name = `held${i}`;
    const file = wheel({ name, version: '1.0' });
    this.#index.add(name, file);
    const before = await this.#page(name);
    assert.equal(before.status, 200);
    this.#index.bumpSerial(name);
    const { answer, about, verdict } = await this.#withSpoiled(`/simple/${name}/`, () => this.#page(name));
    assert.equal(answer.status === 451 ? 200 : answer.status, 200, about);
    if (verdict === 'broken') assert.equal(answer.text(), before.text(), about);
    assertPage(answer, about);
    // Nothing of it is left when upstream answers well again.
    const later = await this.#page(name);
    if (verdict === 'broken') assert.deepEqual(listed(later), [file.filename], about);
  }

  /** Of a file its page gives the hash: the client has exactly those bytes, or knows that it has not. */
  async file(i: number): Promise<void> {
    const name = `file${i}`;
    const file = wheel({ name, version: '1.0' });
    this.#index.add(name, file);
    assert.equal((await this.#page(name)).status, 200);
    const path = this.#index.pathOf(file);
    const ask = () =>
      fetchAll(`${this.#proxy.url}/files/http/${new URL(this.#index.url).host}${path}`, { agent: this.#agent });
    const { answer, about } = await this.#withSpoiled(path, ask);
    if (answer.status === 200 && answer.complete) assert.equal(answer.sha256, file.sha256, about);
    else assertProblem(answer, about);
    this.#clock.advance(STEP_MS);
    assert.equal((await ask()).sha256, file.sha256, about);
  }

  #page(name: string): Promise<ClientResponse> {
    return fetchAll(`${this.#proxy.url}/simple/${name}/`, { fields: { accept: JSON_TYPE }, agent: this.#agent });
  }

  /** Lets `ask` happen while every request for `path` gets one spoiled answer. */
  async #withSpoiled(path: string, ask: () => Promise<ClientResponse>) {
    let spoiled: SpoiledAnswer | undefined;
    const fault: Fault = ({ answer, socket }) => {
      // A held page is asked about: what is spoiled is then the new page or the 304 that a right upstream gives.
      spoiled ??= spoiledAnswer(this.#random, answer);
      socket.end(spoiled.bytes);
    };
    const lift = this.#index.fault(path, fault);
    this.#clock.advance(STEP_MS);
    const answer = await ask();
    lift();
    this.#clock.advance(STEP_MS);
    const { verdict = 'anything', how = 'not asked' } = spoiled ?? {};
    assert.ok(spoiled !== undefined, `${path} was not asked for`);
    return {
      answer,
      verdict,
      about: `seed ${this.#seed}, ${path}: ${how}\n-> ${answer.status} ${answer.text().slice(0, 300)}`,
    };
  }
}

function assertPage(answer: ClientResponse, about: string): void {
  assert.ok(answer.complete, about);
  const page = answer.json() as { readonly files: readonly { readonly url: string }[] };
  for (const { url } of page.files) assert.match(url, /^\.\.\/\.\.\/files\/https?\//, about);
}

function assertProblem(answer: ClientResponse, about: string): void {
  assert.ok([404, 451, 502, 503].includes(answer.status), about);
  assert.equal(answer.field('content-type'), 'application/problem+json', about);
}
