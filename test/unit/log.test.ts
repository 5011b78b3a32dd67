import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { UpstreamFailure } from '../../src/core/errors.ts';
import { type AccessRecord, createAccessLog } from '../../src/observe/access-log.ts';
import { createLog, type LogFields, type LogOptions } from '../../src/observe/log.ts';
import { LogSink } from '../../src/observe/log-sink.ts';
import { presentable, redactUrl } from '../../src/observe/redact.ts';

/** All that `write` logs, as one text. */
function logged(write: (sink: LogSink) => void): string {
  let text = '';
  const sink = new LogSink({
    write(lines) {
      text += lines;
      return true;
    },
    flush() {},
  });
  write(sink);
  sink.flush();
  return text;
}

function line(format: LogOptions['format'], message: string, fields: LogFields = {}): string {
  return logged((sink) => createLog({ level: 'info', format, sink }).info(message, fields));
}

const CANARY = 'c4n4ry-5ecret';
const SECRETS = [
  `https://user:${CANARY}@index.example/simple/`,
  `https://user:p@${CANARY}@index.example/simple/`,
  `https://files.example/x?X-Signature=${CANARY}`,
  `redis://:${CANARY}@redis:6379/0`,
  `Authorization: Basic ${CANARY}`,
  `{"authorization":"${CANARY}"}`,
  `sent Bearer ${CANARY} to it`,
  `redis.secret=${CANARY}`,
  `password: ${CANARY}`,
];

test('no secret is logged, in a message, a field, an error or its cause', () => {
  for (const text of SECRETS) {
    for (const format of ['json', 'text'] as const) {
      const error = new Error(text, { cause: new Error(text) });
      const all = line(format, text, { field: text, error });
      assert.doesNotMatch(all, new RegExp(CANARY), text);
    }
  }
});

test('what is not secret stays readable', () => {
  assert.equal(redactUrl('https://user:pw@index.example/simple/numpy/'), 'https://***@index.example/simple/numpy/');
  assert.equal(redactUrl('https://files.example/a/b.whl?sig=1 was slow'), 'https://files.example/a/b.whl?*** was slow');
  assert.equal(presentable('numpy@2.1 from https://index.example/'), 'numpy@2.1 from https://index.example/');
});

test('a JSON line is one object with time, level, message and fields', () => {
  const { time, ...rest } = JSON.parse(
    line('json', 'upstream is down', { upstream: 'public', failures: 5, since: null }),
  );
  assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual(rest, { level: 'info', message: 'upstream is down', upstream: 'public', failures: 5, since: null });
});

test('a text line is time, level, message and key=value', () => {
  const text = line('text', 'upstream is down', { upstream: 'public', why: 'no "answer"', failures: 5 });
  assert.match(text, /^\d{4}-\S+Z INFO {2}upstream is down upstream=public why="no \\"answer\\"" failures=5\n$/);
});

test('no value can forge a line, a field or a terminal command', () => {
  const evil = 'a\r\n{"level":"error"}\u2028\x1b[2J\x9b2J\x00\u202e" time=now';
  for (const format of ['json', 'text'] as const) {
    const text = line(format, evil, { evil, time: 'never', message: 'other' });
    assert.equal(text.indexOf('\n'), text.length - 1);
    assert.doesNotMatch(text.slice(0, -1), /[\x00-\x1f\x7f-\x9f\u2028\u2029\u202e]/);
  }
  assert.match(line('text', 'm', { time: 'never' }), / time_=never\n$/);
});

test('values are bounded', () => {
  assert.ok(line('json', 'x'.repeat(1_000_000), { y: '://'.repeat(300_000) }).length < 5000);
});

test('an expected failure is logged by its sentence, a surprise with its stack', () => {
  const expected = line('text', 'm', { error: new UpstreamFailure('timeout', 'too slow') });
  assert.match(expected, /error="upstream-timeout: too slow"\n$/);
  assert.match(line('text', 'm', { error: new TypeError('surprise') }), /TypeError: surprise \| at .*log\.test\.ts/);
});

test('levels below the chosen one are silent', () => {
  const text = logged((sink) => {
    const log = createLog({ level: 'warn', format: 'json', sink });
    log.debug('no');
    log.info('no');
    log.warn('yes');
    log.error('yes');
  });
  assert.equal(text.match(/"yes"/g)?.length, 2);
  assert.doesNotMatch(text, /"no"/);
});

const RECORD: AccessRecord = {
  time: Date.UTC(2026, 10, 22, 19, 32, 29, 7),
  requestNumber: 1,
  method: 'GET',
  target: '/simple/numpy/?secret=1',
  status: 200,
  bytes: 12345,
  kind: 'page',
  outcome: 'hit',
  durationMs: 12.3456,
  firstByteMs: 0.05,
  client: '127.0.0.1',
  user: undefined,
  userAgent: 'pip/26.0 {"ci":null}',
};

function accessLine(format: LogOptions['format'], changes: Partial<AccessRecord> = {}): string {
  return logged((sink) => createAccessLog({ level: 'info', format, sink })!({ ...RECORD, ...changes }));
}

test('an access line names the client, where clients have names', () => {
  const { user, client } = JSON.parse(accessLine('json', { user: 'ci@acme' })) as Record<string, string>;
  assert.deepEqual([user, client], ['ci@acme', '127.0.0.1']);
  assert.match(accessLine('text', { user: 'ci@acme' }), / client=127\.0\.0\.1 user=ci@acme GET \/simple\/numpy\/ /);
});

test('an access line in JSON says who asked what and how it was answered, without the query', () => {
  assert.deepEqual(JSON.parse(accessLine('json')), {
    level: 'info',
    time: '2026-11-22T19:32:29.007Z',
    id: 1,
    client: '127.0.0.1',
    method: 'GET',
    path: '/simple/numpy/',
    status: 200,
    bytes: 12345,
    kind: 'page',
    outcome: 'hit',
    ms: 12.35,
    firstByteMs: 0.05,
    agent: 'pip/26.0 {"ci":null}',
    message: 'request',
  });
});

test('an access line in text says the same', () => {
  assert.equal(
    accessLine('text'),
    '2026-11-22T19:32:29.007Z INFO  request id=1 client=127.0.0.1 GET /simple/numpy/ status=200 bytes=12345 ' +
      'kind=page outcome=hit ms=12.35 firstByteMs=0.05 agent="pip/26.0 {\\"ci\\":null}"\n',
  );
});

test('what is remembered for the next line of a target is never said of another answer', () => {
  const records: AccessRecord[] = [
    RECORD,
    { ...RECORD, status: 304 },
    { ...RECORD, bytes: 12_346 },
    { ...RECORD, outcome: 'stale-if-error' },
    { ...RECORD, kind: 'list' },
    { ...RECORD, method: 'HEAD' },
    { ...RECORD, client: '127.0.0.2' },
    { ...RECORD, user: 'ci' },
    { ...RECORD, userAgent: 'uv/0.9' },
    { ...RECORD, userAgent: undefined },
    { ...RECORD, durationMs: 1, firstByteMs: 1 },
    { ...RECORD, target: `${RECORD.target}?x` },
    { ...RECORD, target: '/simple/other/' },
  ];
  const inTurn = records.flatMap((record) => [record, RECORD, record]);
  for (const format of ['json', 'text'] as const) {
    const alone = inTurn.map((record) => accessLine(format, record)).join('');
    const together = logged((sink) => {
      const log = createAccessLog({ level: 'info', format, sink })!;
      for (const record of inTurn) log(record);
    });
    assert.equal(together, alone);
  }
});

test('access lines keep their time over second boundaries', () => {
  const text = logged((sink) => {
    const log = createAccessLog({ level: 'info', format: 'json', sink })!;
    for (const time of [RECORD.time, RECORD.time + 993, RECORD.time + 60_000, RECORD.time]) log({ ...RECORD, time });
  });
  const times = text
    .trimEnd()
    .split('\n')
    .map((json) => JSON.parse(json).time.slice(14, 23));
  assert.deepEqual(times, ['32:29.007', '32:30.000', '33:29.007', '32:29.007']);
});

test('path and agent are escaped and bounded, and user information in them is not shown', () => {
  const evil = 'a"\\\r\n\x1b\u2028\x9b';
  for (const format of ['json', 'text'] as const) {
    const text = accessLine(format, {
      target: `/${evil}`,
      userAgent: evil,
      client: evil,
      method: evil,
    });
    assert.equal(text.indexOf('\n'), text.length - 1);
    assert.doesNotMatch(text.slice(0, -1), /[\x00-\x1f\x7f-\x9f\u2028]/);
    if (format === 'json') assert.equal(JSON.parse(text).message, 'request');
  }
  const long = JSON.parse(accessLine('json', { target: `/${'p'.repeat(999)}`, userAgent: 'u'.repeat(999) }));
  assert.deepEqual([long.path.length, long.agent.length], [300, 80]);
  assert.doesNotMatch(accessLine('json', { target: `http://me:${CANARY}@index.example/simple/` }), new RegExp(CANARY));
});

test('the access log does not exist where its level is hidden', () => {
  const sink = new LogSink({ write: () => true, flush() {} });
  assert.equal(createAccessLog({ level: 'warn', format: 'json', sink }), undefined);
});

test('lines that find no room are counted, and the next ones are tried again', () => {
  let room = false;
  let text = '';
  const sink = new LogSink({
    write(lines) {
      if (room) text += lines;
      return room;
    },
    flush() {},
  });
  for (const each of ['a\n', 'b\n', 'c\n']) sink.write(each);
  sink.handOver();
  assert.equal(sink.dropped, 3);
  room = true;
  sink.write('d\n');
  sink.flush();
  assert.deepEqual([text, sink.dropped], ['d\n', 3]);
});

const PROGRAM = `
  import { createLog, openSink } from '${new URL('../../src/observe/log.ts', import.meta.url)}';
  const sink = openSink(1);
  process.on('exit', () => sink.flush());
  const log = createLog({ level: 'info', format: 'json', sink });
  for (let i = 0; i < 1000; i++) log.info('line', { i });
`;

test('the lines of a process that exits at once are all written, in order', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--input-type=module',
    '-e',
    `${PROGRAM}process.exit(0)`,
  ]);
  const seen = stdout
    .trimEnd()
    .split('\n')
    .map((json) => JSON.parse(json).i);
  assert.deepEqual(
    seen,
    Array.from({ length: 1000 }, (_, i) => i),
  );
});

test('a reader of standard output that goes away does not end the process', async () => {
  const source = `${PROGRAM}
    let turns = 0;
    setInterval(() => {
      log.error('more');
      if (++turns === 20) { process.stderr.write('dropped ' + (sink.dropped > 0)); process.exit(7); }
    }, 5);`;
  const child = execFile(process.execPath, ['--input-type=module', '-e', source]);
  child.stdout!.destroy();
  let stderr = '';
  child.stderr!.on('data', (chunk) => {
    stderr += chunk;
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  assert.deepEqual([code, stderr], [7, 'dropped true']);
});

test('a process with lines to write ends although their reader has gone', async () => {
  // Waits for its input to end, so that the reader is gone for certain when the lines are written.
  const source = `${PROGRAM.replace('for (', 'process.stdin.resume().on("end", () => { for (')}; process.exit(3); });`;
  const child = execFile(process.execPath, ['--input-type=module', '-e', source], { timeout: 10_000 });
  child.stdout!.destroy();
  child.stdin!.end();
  assert.equal(await new Promise((resolve) => child.on('close', resolve)), 3);
});
