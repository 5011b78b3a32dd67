import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FetchLocks, type Lookouts } from '../../src/cache/fetch-locks.ts';
import type { Resource } from '../../src/cache/profile.ts';
import type { LeaseAnswer, LeaseDesk } from '../../src/core/lease.ts';

const page = { key: 'page:a', profile: { body: { kind: 'whole' } } } as Resource;
const file = { key: 'file:a', profile: { body: { kind: 'streamed' } } } as Resource;
const NOTHING: Lookouts<string> = { onDisk: async () => undefined, amongNodes: async () => undefined };

/** A desk that gives this answer and counts how often it was given back. */
function desk(kind: 'granted' | 'held' | 'unknown') {
  const { promise: over, resolve: finish } = Promise.withResolvers<void>();
  const seen = { requests: 0, given: 0, finish };
  const back = () => {
    seen.given++;
  };
  const answers: Record<typeof kind, LeaseAnswer> = {
    granted: { kind: 'granted', release: back },
    held: { kind: 'held', over, leave: back },
    unknown: { kind: 'unknown' },
  };
  const request = async () => {
    seen.requests++;
    return answers[kind];
  };
  return Object.assign(seen, { request }) satisfies LeaseDesk;
}

test('without desks everyone asks at once', async () => {
  assert.equal((await new FetchLocks({}).take(page, NOTHING)).kind, 'ask');
});

test('whoever has the turn gives both leases back when it ends, once', async () => {
  const [workers, nodes] = [desk('granted'), desk('granted')];
  const turn = await new FetchLocks({ workers, nodes }).take(page, NOTHING);
  assert.equal(turn.kind, 'ask');
  assert.equal(workers.given + nodes.given, 0);
  if (turn.kind === 'ask') {
    turn.end();
    turn.end();
  }
  assert.deepEqual([workers.given, nodes.given], [1, 1]);
});

test('what was stored just before is found, the lease given back, and no node is asked', async () => {
  const [workers, nodes] = [desk('granted'), desk('granted')];
  const turn = await new FetchLocks({ workers, nodes }).take(page, { ...NOTHING, onDisk: async () => 'stored' });
  assert.deepEqual(turn, { kind: 'found', found: 'stored', waited: false });
  assert.equal(workers.given, 1);
  assert.equal(nodes.requests, 0);
});

test('what another node stored is found, and both leases are given back', async () => {
  const [workers, nodes] = [desk('granted'), desk('granted')];
  const turn = await new FetchLocks({ workers, nodes }).take(page, { ...NOTHING, amongNodes: async () => 'theirs' });
  assert.deepEqual(turn, { kind: 'found', found: 'theirs', waited: false });
  assert.deepEqual([workers.given, nodes.given], [1, 1]);
});

test('who comes second takes what the holder stored', async () => {
  const workers = desk('held');
  let stored: string | undefined;
  const taking = new FetchLocks({ workers }).take(page, { ...NOTHING, onDisk: async () => stored });
  stored = 'by the first';
  workers.finish();
  assert.deepEqual(await taking, { kind: 'found', found: 'by the first', waited: true });
  assert.ok(workers.given >= 1);
});

test('who comes second asks for itself when the holder is done and stored nothing', async () => {
  const nodes = desk('held');
  const taking = new FetchLocks({ nodes }).take(page, NOTHING);
  nodes.finish();
  assert.equal((await taking).kind, 'ask');
});

test('who comes second finds what the holder stored although nobody says that it is done', async () => {
  const nodes = desk('held');
  let looked = 0;
  const amongNodes = async () => (++looked > 2 ? 'stored' : undefined);
  assert.equal((await new FetchLocks({ nodes }).take(page, { ...NOTHING, amongNodes })).kind, 'found');
});

test('a file is waited for one second, and not across nodes, which do not share files', async () => {
  const [workers, nodes] = [desk('held'), desk('held')];
  const startedAt = performance.now();
  assert.equal((await new FetchLocks({ workers, nodes }).take(file, NOTHING)).kind, 'ask');
  const waitedMs = performance.now() - startedAt;
  assert.ok(waitedMs >= 990 && waitedMs < 2_000, `${waitedMs} ms`);
  assert.equal(nodes.requests, 0);
});

test('a file is waited for among the processes of one folder, and found on its disk', async () => {
  for (const kind of ['held', 'granted'] as const) {
    const folder = desk(kind);
    let looks = 0;
    const onDisk = async () => (++looks > (kind === 'held' ? 2 : 0) ? 'stored' : undefined);
    const turn = await new FetchLocks({ nodes: desk('held'), folder }).take(file, { ...NOTHING, onDisk });
    assert.deepEqual([turn.kind, folder.requests, folder.given > 0], ['found', 1, true]);
  }
});

test('a small file, which nobody gets before it is whole, is waited for as long as a page', async () => {
  const workers = desk('held');
  const profile = { body: { kind: 'streamed', wholeUpToBytes: 1_000 } };
  let stored: string | undefined;
  setTimeout(() => {
    stored = 'theirs';
  }, 1_500);
  const small = { ...file, profile, expectedSizeBytes: 1_000 } as Resource;
  assert.equal(
    (await new FetchLocks({ workers }).take(small, { ...NOTHING, onDisk: async () => stored })).kind,
    'found',
  );
});

test('a file that cannot be here within that second is not waited for', async () => {
  const workers = desk('held');
  const large = { ...file, expectedSizeBytes: 100_000_000 };
  assert.equal((await new FetchLocks({ workers }).take(large, NOTHING)).kind, 'ask');
  assert.equal(workers.requests, 0);
});

test('at the end of the process nobody goes on waiting', async () => {
  const workers = desk('held');
  const turns = new FetchLocks({ workers });
  const taking = turns.take(page, NOTHING);
  turns.close();
  assert.equal((await taking).kind, 'ask');
});

test('a look that fails holds no lease', async () => {
  const workers = desk('granted');
  const onDisk = () => Promise.reject(new Error('disk'));
  await assert.rejects(new FetchLocks({ workers }).take(page, { ...NOTHING, onDisk }), /disk/);
  assert.equal(workers.given, 1);
});
