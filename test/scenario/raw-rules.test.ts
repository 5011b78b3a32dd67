// Whatever happens in whatever order, a raw mount never gives an answer to whom it must not. Clients, their users, the
// origin's words, outages, writes and time are drawn at random; what the origin said is written down beside them, and
// every answer is held against it.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { type Fields, fieldValue, type RequestHead } from '../../src/core/http-message.ts';
import { type ClientResponse, fetchAll } from '../support/proxy/http-client.ts';
import { answer, type RawSetting, rawMount } from '../support/proxy/raw-mount.ts';
import type { Answer } from '../support/upstream/fake-server.ts';
import { hangUp } from '../support/upstream/faults.ts';

type Event =
  | { readonly kind: 'ask'; readonly users: readonly string[] }
  | { readonly kind: 'time'; readonly seconds: number }
  | { readonly kind: 'says'; readonly control: string }
  | { readonly kind: 'outage'; readonly begins: boolean }
  | { readonly kind: 'changes' }
  | { readonly kind: 'write' };

const CONTROLS = [
  'max-age=60',
  'max-age=0',
  'no-store',
  'private, max-age=60',
  'private="x-user", max-age=60',
  'no-cache',
  'max-age=60, must-revalidate',
  'max-age=0, must-revalidate',
  'proxy-revalidate, max-age=60',
  's-maxage=60',
  'public, max-age=60',
  'public, max-age=0, stale-while-revalidate=100',
  'max-age=60, stale-if-error=1000',
];

/** One member of ours, as RFC 9211 and RFC 9651 have it. */
const CACHE_STATUS =
  /^wheelkeep(?:; hit|; fwd=(?:uri-miss|vary-miss|miss|stale|request|method|partial|bypass)(?:; fwd-status=\d{3})?(?:; stored)?(?:; collapsed)?)?(?:; ttl=-?\d{1,15})?(?:; detail=[a-z-]+)?$/;

const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('ask' as const),
      users: fc.array(fc.constantFrom('', '', 'Basic YTph', 'Basic Yjpi'), { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('time' as const), seconds: fc.integer({ min: 1, max: 200 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('says' as const), control: fc.constantFrom(...CONTROLS) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('outage' as const), begins: fc.boolean() }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'changes' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'write' as const }) },
);

/** One representation as the origin made it, and the last it said of it. */
interface Made {
  readonly path: string;
  readonly version: number;
  readonly user: string;
  readonly text: string;
  readonly control: string;
  latest: string;
  /** Milliseconds, of the clock that all share. */
  validatedAt: number;
  validations: number;
  /** Validations that were told to credentials alone: they say nothing to others. */
  toldToOne: number;
}

class Origin {
  readonly made: Made[] = [];
  control = 'max-age=60';
  version = 1;
  hasValidators = true;
  size = 0;
  /** What it answers then never leaves it. */
  isOut = false;
  now: () => number = () => 0;

  respond({ method, url: path, fields }: RequestHead): Answer {
    if (this.isOut) return answer('');
    if (method !== 'GET') {
      this.version++;
      return answer('', [], 204);
    }
    const known = this.made[Number(/"(\d+)"/.exec(fieldValue(fields, 'if-none-match') ?? '')?.[1] ?? -1)];
    const user = fieldValue(fields, 'authorization') ?? '';
    if (known?.path === path && known.version === this.version) {
      if (isPersonal({ user, control: this.control })) known.toldToOne++;
      else {
        known.latest = this.control;
        known.validatedAt = this.now();
        known.validations++;
      }
      return answer('', this.#fields(this.made.indexOf(known)), 304);
    }
    const serial = this.made.length;
    const { control, version } = this;
    const text = `${serial} ${'x'.repeat(this.size)}`;
    const said = { latest: control, validatedAt: this.now(), validations: 0, toldToOne: 0 };
    this.made.push({ path, version, user, text, control, ...said });
    return answer(text, [...this.#fields(serial), 'x-user', user]);
  }

  #fields(serial: number): Fields {
    return ['cache-control', this.control, ...(this.hasValidators ? ['etag', `"${serial}"`] : [])];
  }
}

const origin = new Origin();
let setting: RawSetting;

it('no order of events brings an answer to whom it must not', async (test) => {
  setting = await rawMount(test, { respond: (request) => origin.respond(request) });
  origin.now = setting.clock.now;
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(event, { minLength: 3, maxLength: 25 }),
      fc.boolean(),
      fc.constantFrom(0, 100, 100_000),
      async (events, hasValidators, size) => {
        Object.assign(origin, { control: 'max-age=60', version: 1, hasValidators, size, isOut: false });
        setting.origin.clearFaults();
        await play(events, `/run-${runs++}`);
      },
    ),
    { numRuns: 60 },
  );
});

async function play(events: readonly Event[], path: string): Promise<void> {
  for (const one of events) {
    switch (one.kind) {
      case 'time':
        setting.clock.advance(one.seconds * 1000);
        break;
      case 'says':
        origin.control = one.control;
        break;
      case 'changes':
        origin.version++;
        break;
      case 'outage':
        origin.isOut = one.begins;
        setting.origin.clearFaults();
        if (origin.isOut) setting.origin.fault(/^/, hangUp());
        break;
      case 'write':
        await fetchAll(setting.url + path, { method: 'DELETE' });
        break;
      case 'ask': {
        const before = origin.made.map((made) => ({ ...made }));
        const answers = one.users.map(async (user) => {
          const fields = user === '' ? {} : { authorization: user };
          check(await fetchAll(setting.url + path, { fields }), user, before);
        });
        await Promise.all(answers);
      }
    }
  }
}

/** `before`: what had been made and said when the request was sent. */
function check(response: ClientResponse, user: string, before: readonly Made[]): void {
  const { isOut } = origin;
  assert.match(response.field('cache-status')!, CACHE_STATUS);
  if (response.status !== 200) {
    assert.ok(isOut, `${response.status} although the origin answers: ${response.field('cache-status')}`);
    assert.ok(response.status === 502 || response.status === 504, String(response.status));
    return;
  }
  const serial = Number(response.text().split(' ')[0]);
  const made = origin.made[serial]!;
  assert.equal(response.text(), made.text, 'the bytes are those that the origin sent');
  const isReused = serial < before.length;
  if (!isReused) {
    assert.ok(made.user === user || !isPersonal(made), `made for ${made.user}, given to ${user}`);
    return;
  }
  assert.doesNotMatch(made.control, /no-store|private(?!=)/, 'such an answer is used once');
  assert.ok(!isPersonal(made), 'an answer to credentials is used again only where the origin allows it');
  assert.equal(response.field('x-user') === undefined, made.control.includes('private='));
  if (user !== '' && made.toldToOne > before[serial]!.toldToOne) return;
  const ageSeconds = Number(response.field('age'));
  const since = ({ validatedAt }: Made) => (setting.clock.now() - validatedAt) / 1000;
  // It may be confirmed while this answer is on its way.
  const isTrue = ageSeconds === since(made) || ageSeconds === since(before[serial]!);
  assert.ok(isTrue, `Age ${ageSeconds} is not the time since the origin last confirmed it, ${since(made)}`);
  if (made.validations > before[serial]!.validations) return;
  assert.doesNotMatch(made.latest, /no-store|private(?!=)|no-cache/, 'needs validation for every use');
  const lifetime = Number(/max-?age=(\d+)/.exec(made.latest)![1]);
  if (ageSeconds < lifetime) return;
  assert.doesNotMatch(made.latest, /revalidate(?!=)|s-maxage/, 'must not be used once stale');
  const isGranted = isOut || made.latest.includes('stale-while-revalidate');
  assert.ok(isGranted || response.field('cache-status')!.includes('stale-if-error'), 'stale without need');
}

/** Given to credentials, without the origin's word that others may have it (RFC 9111 3.5). */
function isPersonal({ user, control }: Pick<Made, 'user' | 'control'>): boolean {
  return user !== '' && !/public|must-revalidate|s-maxage/.test(control);
}
