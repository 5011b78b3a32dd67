// A raw mount in front of an origin whose answers a test writes down: the whole app, mounted at a root of its own.

import type { TestContext } from 'node:test';
import type { RawMountConfig } from '../../../src/config/config.ts';
import type { Fields, RequestHead } from '../../../src/core/http-message.ts';
import { FakeClock } from '../clock/clock.ts';
import { type Answer, FakeServer } from '../upstream/fake-server.ts';
import { type RunningProxy, startProxy } from './proxy.ts';

export interface RawSetting {
  readonly clock: FakeClock;
  readonly origin: FakeServer;
  readonly proxy: RunningProxy;
  /** Where the mount is served at its root, without a final slash. */
  readonly url: string;
  /** Ends the proxy and starts another one on the same data folder. */
  restart(): Promise<RawSetting>;
}

export interface RawOptions {
  readonly respond: (request: RequestHead) => Answer;
  readonly mount?: Partial<RawMountConfig>;
  readonly dataDir?: string;
}

export async function rawMount(test: TestContext, options: RawOptions): Promise<RawSetting> {
  const clock = new FakeClock();
  const origin = await FakeServer.start({ respond: (request) => dated(options.respond(request), clock) });
  test.after(() => origin.close());
  return mountedOn(test, origin, clock, options);
}

async function mountedOn(
  test: TestContext,
  origin: FakeServer,
  clock: FakeClock,
  { mount, dataDir }: Omit<RawOptions, 'respond'>,
): Promise<RawSetting> {
  const raw: RawMountConfig = {
    name: 'origin',
    origin: `${origin.origin}/`,
    listen: { host: '127.0.0.1', port: 0 },
    maxBodyBytes: 1e9,
    redirectOrigins: [],
    ...mount,
  };
  const proxy = await startProxy({
    upstreams: ['http://127.0.0.1:9/simple/'],
    config: { raw: [raw], graceMs: 100 },
    now: clock.now,
    ...(dataDir === undefined ? {} : { dataDir }),
  });
  let isOpen = true;
  const close = async () => {
    if (isOpen) await proxy.close();
    isOpen = false;
  };
  test.after(close);
  return {
    clock,
    origin,
    proxy,
    url: proxy.app.rawUrls.get('origin')!.replace(/\/$/, ''),
    restart: async () => {
      await close();
      return mountedOn(test, origin, clock, { ...(mount && { mount }), ...(dataDir !== undefined && { dataDir }) });
    },
  };
}

/** An answer in one line; `fields` as name, value, ... */
export function answer(body: string | Buffer, fields: Fields = [], status = 200): Answer {
  return { status, fields, body: Buffer.from(body) };
}

/** The origin and the proxy live in the same time. */
function dated(given: Answer, clock: FakeClock): Answer {
  return { ...given, fields: [...given.fields, 'date', new Date(clock.now()).toUTCString()] };
}
