// Replays outages against the real app, with the steady traffic of installers through it and past it. One factor presses
// the time of outages, freshness, breakers and back-off together, for all of these run on the injected clock. What runs
// on real timers stays as it is and so looks worse by the factor: patience, hedges, deadlines, the delay of a slow upstream.

import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../fuzz/random.ts';
import { type ClientResponse, fetchAll } from '../support/proxy/http-client.ts';
import { JSON_TYPE } from '../support/proxy/page-client.ts';
import { type RunningProxy, startProxy } from '../support/proxy/proxy.ts';
import { type FakeIndex, FakeIndex as Index } from '../support/upstream/fake-index.ts';
import { type Distribution, wheel } from '../support/upstream/wheels.ts';
import type { Outage } from './outages.ts';

export interface SimulationOptions {
  readonly outages: readonly Outage[];
  /** How many times faster than time the outages pass. */
  readonly factor: number;
  readonly seed: number;
  readonly onOutage?: (outage: Outage, tally: OutageTally) => void;
}

export class Tally {
  asked = 0;
  right = 0;
  readonly times: number[] = [];
  /** What was wrong, the first few. */
  readonly wrong: string[] = [];

  note(verdict: string | undefined, ms: number): void {
    this.asked += 1;
    this.times.push(ms);
    if (verdict === undefined) this.right += 1;
    else if (this.wrong.length < 10) this.wrong.push(verdict);
  }

  get share(): number {
    return this.asked === 0 ? 1 : this.right / this.asked;
  }

  /** Milliseconds. */
  get p99(): number {
    const sorted = this.times.toSorted((a, b) => a - b);
    return sorted[Math.floor((sorted.length - 1) * 0.99)] ?? 0;
  }
}

export interface OutageTally {
  /** What had been asked for before. */
  readonly upstream: Tally;
  readonly through: Tally;
  /** What nobody had asked for: right, or a clear failure in time. */
  readonly cold: Tally;
  /** The same past Wheelkeep. */
  readonly coldUpstream: Tally;
}

const SEEN = 30;
const TICK_MS = 40;
const COLD_EVERY = 5;
const GAP_MINUTES = 10;
/** As patient as installers are. */
const GIVE_UP_MS = 15_000;
const CLEAR_PAGE_MS = 10_000;
const CLEAR_FILE_MS = 14_000;

export async function simulate(options: SimulationOptions): Promise<OutageTally> {
  const simulation = await Simulation.start(options);
  try {
    return await simulation.run();
  } finally {
    await simulation.close();
  }
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #index: FakeIndex;
  readonly #proxy: RunningProxy;
  readonly #random: Random;
  readonly #files: Distribution[] = [];
  readonly #running = new Set<Promise<void>>();
  #current: OutageTally = newTally();
  #cold = 0;
  /** Whether upstream says or has lately said what is not true. */
  #lies = false;

  private constructor(options: SimulationOptions, index: FakeIndex, proxy: RunningProxy) {
    this.#options = options;
    this.#index = index;
    this.#proxy = proxy;
    this.#random = new Random(options.seed);
  }

  static async start(options: SimulationOptions): Promise<Simulation> {
    const index = await Index.start({ pageCacheControl: 'max-age=600' });
    const began = Date.now();
    const now = () => began + (Date.now() - began) * options.factor;
    const proxy = await startProxy({ upstreams: [index.url], now });
    return new Simulation(options, index, proxy);
  }

  async run(): Promise<OutageTally> {
    for (let i = 0; i < SEEN; i += 1) {
      const name = `seen${i}`;
      const file = wheel({ name, version: '1.0', sizeBytes: 20_000 });
      this.#files.push(file);
      this.#index.add(name, file);
      await this.#page(this.#proxy.url, name);
      await this.#file(this.#throughUrl(file), file);
    }
    const all = newTally();
    const traffic = new AbortController();
    const flow = this.#traffic(traffic.signal);
    for (const outage of this.#options.outages) {
      this.#current = newTally();
      await this.#pass(GAP_MINUTES);
      this.#lies = outage.lies === true;
      const end = await outage.begin(this.#index, this.#random.next);
      await this.#pass(outage.minutes);
      await end();
      const { onOutage } = this.#options;
      const tally = this.#current;
      // Its last requests may still be waiting.
      await Promise.all(this.#running);
      add(all, tally);
      onOutage?.(outage, tally);
    }
    traffic.abort();
    await flow;
    await Promise.all(this.#running);
    return all;
  }

  async close(): Promise<void> {
    await this.#proxy.close();
    await this.#index.close();
  }

  #pass(minutes: number): Promise<void> {
    return sleep((minutes * 60_000) / this.#options.factor);
  }

  async #traffic(signal: AbortSignal): Promise<void> {
    for (let tick = 0; !signal.aborted; tick += 1) {
      const tally = this.#current;
      const i = this.#random.below(SEEN);
      const file = this.#files[i]!;
      const name = `seen${i}`;
      const direct = new URL(this.#index.url).origin;
      this.#go(tally.through, () => this.#page(this.#proxy.url, name), file);
      this.#go(tally.through, () => this.#file(this.#throughUrl(file), file), file);
      this.#go(tally.upstream, () => this.#page(direct, name), file);
      this.#go(tally.upstream, () => this.#file(direct + this.#index.pathOf(file), file), file);
      if (tick % COLD_EVERY === 0) this.#coldInstall(tally, direct);
      await sleep(TICK_MS);
    }
  }

  #go(tally: Tally, ask: () => Promise<string | undefined>, file: Distribution): void {
    const start = performance.now();
    const asked = ask()
      .catch((error: Error) => `${file.filename}: ${error.message}`)
      .then((verdict) => tally.note(verdict, performance.now() - start))
      .finally(() => this.#running.delete(asked));
    this.#running.add(asked);
  }

  #coldInstall(tally: OutageTally, direct: string): void {
    this.#cold += 1;
    const name = `cold${this.#cold}`;
    const file = wheel({ name, version: '1.0' });
    this.#index.add(name, file);
    this.#go(tally.coldUpstream, () => this.#page(direct, name), file);
    this.#go(tally.cold, () => this.#clear(() => fetchPage(this.#proxy.url, name), CLEAR_PAGE_MS, file), file);
    this.#go(tally.cold, () => this.#clear(() => fetchFile(this.#throughUrl(file)), CLEAR_FILE_MS, file), file);
  }

  async #page(base: string, name: string): Promise<string | undefined> {
    const answer = await fetchPage(base, name);
    return answer.status === 200 && answer.complete && answer.text().includes(`${name}-1.0`)
      ? undefined
      : `page of ${name}: ${described(answer)}`;
  }

  async #file(url: string, file: Distribution): Promise<string | undefined> {
    const answer = await fetchFile(url);
    return answer.status === 200 && answer.sha256 === file.sha256
      ? undefined
      : `${file.filename}: ${described(answer)}`;
  }

  /** Right, or refused in time with the time to come back; never "there is none", unless upstream says so itself. */
  async #clear(ask: () => Promise<ClientResponse>, limitMs: number, file: Distribution): Promise<string | undefined> {
    const answer = await ask();
    const late = answer.firstByteMs > limitMs + 500 ? `after ${Math.round(answer.firstByteMs)} ms` : undefined;
    if (late !== undefined) return `${file.filename}: ${late}`;
    if (answer.status === 200) {
      const isFile = answer.field('content-type') === 'application/octet-stream';
      const right = answer.complete && (!isFile || answer.sha256 === file.sha256);
      return right ? undefined : `${file.filename}: wrong or cut`;
    }
    const isClear = [502, 503].includes(answer.status) && answer.field('retry-after') !== undefined;
    const isRepeated = answer.status === 404 && this.#lies;
    return isClear || isRepeated ? undefined : `${file.filename}: ${described(answer)}`;
  }

  #throughUrl(file: Distribution): string {
    return `${this.#proxy.url}/files/http/${new URL(this.#index.url).host}${this.#index.pathOf(file)}`;
  }
}

function fetchPage(base: string, name: string): Promise<ClientResponse> {
  return fetchAll(`${base}/simple/${name}/`, {
    fields: { accept: JSON_TYPE },
    signal: AbortSignal.timeout(GIVE_UP_MS),
  });
}

function fetchFile(url: string): Promise<ClientResponse> {
  return fetchAll(url, { signal: AbortSignal.timeout(GIVE_UP_MS) });
}

function described(answer: ClientResponse): string {
  return `${answer.status} ${answer.complete ? '' : 'cut '}${answer.text().slice(0, 200)}`;
}

function newTally(): OutageTally {
  return { upstream: new Tally(), through: new Tally(), cold: new Tally(), coldUpstream: new Tally() };
}

function add(all: OutageTally, one: OutageTally): void {
  for (const key of ['upstream', 'through', 'cold', 'coldUpstream'] as const) {
    all[key].asked += one[key].asked;
    all[key].right += one[key].right;
    all[key].times.push(...one[key].times);
    all[key].wrong.push(...one[key].wrong);
  }
}
