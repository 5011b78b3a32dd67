import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Events } from '../../src/observe/events.ts';

test('recent events come newest first', () => {
  const events = new Events();
  for (let at = 1; at <= 3; at++)
    events.record({ kind: 'upstream-down', message: `event ${at}`, at, upstream: 'public' });
  assert.deepEqual(
    events.recent(2).map(({ message }) => message),
    ['event 3', 'event 2'],
  );
});

test('only the last 500 are kept, and all are counted', () => {
  const events = new Events();
  for (let at = 1; at <= 1234; at++) events.record({ kind: 'integrity', message: 'm', at });
  const kept = events.recent(1000);
  assert.deepEqual([kept.length, kept[0]?.at, kept.at(-1)?.at], [500, 1234, 735]);
  assert.deepEqual([events.count('integrity'), events.count('purge')], [1234, 0]);
});

test('events carry no secret and no control character', () => {
  const events = new Events();
  events.record({ kind: 'error', message: 'https://u:secret@index.example/\n', at: 1, project: 'a\x1b' });
  assert.deepEqual(events.recent(1), [
    { kind: 'error', message: 'https://***@index.example/\\u000a', at: 1, project: 'a\\u001b' },
  ]);
});
