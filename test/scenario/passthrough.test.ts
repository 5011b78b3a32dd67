import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http, { type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { buffer, text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { ProxyError, UpstreamFailure } from '../../src/core/errors.ts';
import { asClient } from '../../src/core/request-context.ts';
import { Passthrough, type PassthroughOptions, type PassthroughTarget } from '../../src/http/passthrough.ts';
import { PassthroughAgents, type PassthroughAgentsOptions } from '../../src/net/passthrough-agents.ts';
import { certificateAuthority } from '../support/upstream/certificates.ts';

const OPTIONS: Omit<PassthroughOptions, 'wayTo'> = {
  maxBodyBytes: 32 * 1024 * 1024,
  connectTimeoutMs: 2000,
  idleTimeoutMs: 2000,
  exchangesPerOrigin: 64,
  via: '1.1 wheelkeep',
};

const WAY: PassthroughAgentsOptions = {
  proxy: { noProxy: '' },
  extraCertificates: { current: [] },
  connectTimeoutMs: 2000,
  maxSockets: 64,
};

async function listening(t: TestContext, server: net.Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    if (server instanceof http.Server) server.closeAllConnections();
    server.close();
  });
  return (server.address() as net.AddressInfo).port;
}

interface Play {
  readonly origin: http.Server;
  readonly originPort: number;
  readonly port: number;
  readonly failures: ProxyError[];
  /** Resolves when the next forward() has settled. */
  settled(): Promise<unknown>;
}

/** An origin that answers by `answer`, and in front of it a server that forwards everything to it. */
async function play(
  t: TestContext,
  answer: RequestListener,
  target: (request: IncomingMessage, response: ServerResponse) => Partial<PassthroughTarget> = () => ({}),
  options: Partial<PassthroughOptions> = {},
  way: Partial<PassthroughAgentsOptions> = {},
): Promise<Play> {
  const origin = http.createServer(answer);
  const originPort = await listening(t, origin);
  const agents = new PassthroughAgents({ ...WAY, ...way });
  t.after(() => agents.close());
  const passthrough = new Passthrough({ ...OPTIONS, wayTo: agents.wayTo, ...options });
  const failures: ProxyError[] = [];
  const front = http.createServer();
  const handle: RequestListener = async (request, response) => {
    const url = `http://127.0.0.1:${originPort}${request.url}`;
    try {
      const client = { name: String(request.headers['x-client'] ?? ''), firstByteBy: Number.POSITIVE_INFINITY };
      await asClient(client, () =>
        passthrough.forward(request, response, { url, kind: 'raw', ...target(request, response) }),
      );
    } catch (error) {
      assert.ok(error instanceof ProxyError, String(error));
      failures.push(error);
      response.writeHead(error.status, { 'Content-Type': 'text/plain' }).end(error.code);
    }
    front.emit('settled');
  };
  front.on('request', handle).on('checkContinue', handle);
  const port = await listening(t, front);
  return { origin, originPort, port, failures, settled: () => once(front, 'settled') };
}

interface Answer {
  readonly status: number;
  readonly reason: string;
  readonly raw: readonly string[];
  readonly body: string;
}

async function ask(
  port: number,
  options: http.RequestOptions & { readonly body?: string | Buffer } = {},
): Promise<Answer> {
  const request = http.request({ port, host: '127.0.0.1', agent: false, ...options });
  // An error after the response's head shows in the response's body, or does not matter.
  request.on('error', () => {});
  request.end(options.body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const { statusCode, statusMessage, rawHeaders } = response;
  return { status: statusCode!, reason: statusMessage!, raw: rawHeaders, body: await text(response) };
}

/** Sends `bytes` as they are and gives all that comes back until the end. */
async function converse(port: number, bytes: string): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  socket.write(bytes, 'latin1');
  return (await buffer(socket)).toString('latin1');
}

function lines(raw: readonly string[], name: string): string[] {
  return raw.filter((_, i) => i % 2 === 1 && raw[i - 1]!.toLowerCase() === name);
}

test('slow uploads of one client leave the way open to others, and his next one is told to come back', async (t) => {
  let arrived = 0;
  const all = Promise.withResolvers<void>();
  const { port, failures } = await play(
    t,
    async (request, response) => {
      arrived += 1;
      if (arrived === 8) all.resolve();
      response.end(await text(request));
    },
    () => ({}),
    { connectTimeoutMs: 300, idleTimeoutMs: 20_000, exchangesPerOrigin: 8 },
  );
  const slow = Array.from({ length: 8 }, () => {
    const request = http.request({
      port,
      host: '127.0.0.1',
      agent: false,
      method: 'POST',
      headers: { 'x-client': 'slow' },
    });
    request.on('error', () => {});
    request.write('a');
    return request;
  });
  await all.promise;
  const from = (client: string) => ask(port, { method: 'POST', headers: { 'x-client': client }, body: 'b' });
  assert.equal((await from('other')).body, 'b');
  assert.equal((await from('slow')).status, 503);
  assert.deepEqual(
    failures.map(({ code }) => code),
    ['upstream-crowded'],
  );
  // A place that becomes free goes to who waits.
  const waiting = from('slow');
  slow[0]!.end();
  assert.equal((await waiting).body, 'b');
  const answers = slow.slice(1).map(async (request) => {
    request.end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    return text(response);
  });
  assert.deepEqual(await Promise.all(answers), Array(7).fill('a'));
});

test('an upload of 20 MB arrives intact, sized or chunked', async (t) => {
  const { port } = await play(t, async (request, response) => {
    response.end(
      createHash('sha256')
        .update(await buffer(request))
        .digest('hex'),
    );
  });
  const body = Buffer.alloc(20 * 1024 * 1024, 'wheel');
  const expected = createHash('sha256').update(body).digest('hex');
  const sized = await ask(port, { method: 'POST', headers: { 'Content-Length': body.length }, body });
  const chunked = await ask(port, { method: 'POST', headers: { 'Transfer-Encoding': 'chunked' }, body });
  assert.deepEqual([sized.body, chunked.body], [expected, expected]);
});

test('the reason phrase of upstream reaches the client, because twine shows it', async (t) => {
  const { port } = await play(t, (request, response) => {
    request.resume();
    response.writeHead(400, 'File already exists. See the help page.').end();
  });
  const answer = await ask(port, { method: 'POST', body: 'x' });
  assert.deepEqual([answer.status, answer.reason], [400, 'File already exists. See the help page.']);
});

test("the client's Authorization goes upstream only where the route hands it on", async (t) => {
  const seen: (string | undefined)[] = [];
  const { port } = await play(
    t,
    (request, response) => {
      seen.push(request.headers.authorization);
      response.end();
    },
    (request) => ({
      credentials: { '/client': request.headers.authorization, '/ours': 'Bearer ours' }[request.url!],
    }),
  );
  for (const path of ['/none', '/client', '/ours'])
    await ask(port, { path, headers: { Authorization: 'Basic theirs' } });
  assert.deepEqual(seen, [undefined, 'Basic theirs', 'Bearer ours']);
});

test('outside raw mounts neither cookies nor forwarding fields pass, in either direction', async (t) => {
  let seen: http.IncomingHttpHeaders = {};
  const { port } = await play(
    t,
    (request, response) => {
      seen = request.headers;
      response.writeHead(200, { 'Set-Cookie': 'a=1', Server: 'origin' }).end();
    },
    () => ({ kind: 'passthrough' }),
  );
  const headers = { Cookie: 'session=1', 'X-Forwarded-For': '10.0.0.1', Forwarded: 'for=10.0.0.1', Accept: '*/*' };
  const answer = await ask(port, { method: 'POST', headers });
  assert.deepEqual(
    [seen.cookie, seen['x-forwarded-for'], seen.forwarded, seen.accept],
    [undefined, undefined, undefined, '*/*'],
  );
  assert.deepEqual([lines(answer.raw, 'set-cookie'), lines(answer.raw, 'server')], [[], []]);
});

test('a raw mount passes every end-to-end line both ways, repeated lines too, and no hop-by-hop line', async (t) => {
  let seen: readonly string[] = [];
  const { port, originPort } = await play(t, (request, response) => {
    seen = request.rawHeaders;
    response.writeHead(200, [
      'Set-Cookie',
      'a=1',
      'Set-Cookie',
      'b=2',
      'X-Odd',
      'caf\xe9',
      'Connection',
      'x-hop',
      'X-Hop',
      '1',
    ]);
    response.end();
  });
  const answer = await converse(
    port,
    'PROPFIND /a HTTP/1.1\r\nHost: x\r\nCookie: c=1\r\nX-Two: 1\r\nX-Two: 2\r\nTE: trailers\r\nX-Hop: 1\r\nConnection: close, x-hop\r\n\r\n',
  );
  assert.deepEqual(lines(seen, 'x-two'), ['1', '2']);
  assert.deepEqual(lines(seen, 'cookie'), ['c=1']);
  assert.deepEqual(lines(seen, 'host'), [`127.0.0.1:${originPort}`]);
  assert.deepEqual(lines(seen, 'via'), ['1.1 wheelkeep']);
  assert.deepEqual([lines(seen, 'te'), lines(seen, 'x-hop')], [[], []]);
  assert.match(answer, /Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Odd: caf\xe9\r\n/);
  assert.doesNotMatch(answer, /x-hop/i);
});

test('the path goes out as it came: slashes, escapes and query unchanged', async (t) => {
  const { port } = await play(t, (request, response) => response.end(`${request.method} ${request.url}`));
  for (const path of ['/a//b/%7Ec/../d?u=http://h//x&e', '/?', "/|^'", '/%2e%2E/']) {
    assert.equal((await ask(port, { path, method: 'M-SEARCH' })).body, `M-SEARCH ${path}`);
  }
});

test('fifty clients that leave leave no connection to upstream behind', async (t) => {
  let open = 0;
  const { port, origin } = await play(t, (_request, response) => void response.write('begun'));
  const allGone = new Promise<void>((resolve) => {
    origin.on('connection', (socket) => {
      open++;
      socket.on('close', () => --open === 0 && resolve());
    });
  });
  const clients = await Promise.all(
    Array.from({ length: 50 }, async () => {
      const request = http.get({ port, host: '127.0.0.1', agent: false });
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      response.on('error', () => {});
      await once(response, 'data');
      return request;
    }),
  );
  assert.equal(open, 50);
  for (const request of clients) request.destroy();
  await allGone;
  assert.equal(open, 0);
});

for (const method of ['GET', 'POST'])
  test(`a ${method} whose client leaves before upstream answers ends the exchange, and nobody is blamed`, async (t) => {
    const { port, origin, failures, settled } = await play(t, () => {}, undefined, { idleTimeoutMs: 60_000 });
    const asked = once(origin, 'request');
    const request = http.request({ port, host: '127.0.0.1', agent: false, method });
    request.on('error', () => {});
    if (method === 'GET') request.end();
    else request.write('half');
    const [incoming] = (await asked) as [IncomingMessage];
    const gone = new Promise((resolve) => incoming.socket.once('close', resolve));
    const done = settled();
    request.destroy();
    await Promise.all([gone, done]);
    assert.deepEqual(failures, []);
  });

test('connections are used again after whole exchanges', async (t) => {
  let connections = 0;
  const { port, origin } = await play(
    t,
    (request, response) => void request.resume().on('end', () => response.end('ok')),
  );
  origin.on('connection', () => connections++);
  for (let i = 0; i < 5; i++) assert.equal((await ask(port, { method: 'POST', body: 'x' })).body, 'ok');
  assert.equal(connections, 1);
});

test('an upstream that refuses connections is a failure that the caller renders', async (t) => {
  const closed = net.createServer();
  closed.listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const { port: nobody } = closed.address() as net.AddressInfo;
  closed.close();
  const { port, failures } = await play(
    t,
    () => {},
    () => ({ url: `http://127.0.0.1:${nobody}/` }),
  );
  const answer = await ask(port, { method: 'POST', body: 'x' });
  assert.deepEqual([answer.status, answer.body], [502, 'upstream-connect']);
  assert.ok(failures[0] instanceof UpstreamFailure);
});

test('an upstream that is silent is a timeout, answered in time', async (t) => {
  const { port } = await play(t, (request) => void request.resume(), undefined, { idleTimeoutMs: 50 });
  const answer = await ask(port, { method: 'POST', body: 'x' });
  assert.deepEqual([answer.status, answer.body], [503, 'upstream-timeout']);
});

test('a wait for a free connection ends too', async (t) => {
  const options = { connectTimeoutMs: 50, idleTimeoutMs: 60_000 };
  const { port, origin } = await play(t, () => {}, undefined, options, { maxSockets: 1 });
  const holder = http.get({ port, host: '127.0.0.1', agent: false });
  holder.on('error', () => {});
  await once(origin, 'request');
  const answer = await ask(port, { method: 'POST', body: 'x' });
  assert.deepEqual([answer.status, answer.body], [503, 'upstream-timeout']);
  holder.destroy();
});

test("upstream's reset in the middle of a body ends the client's connection, never its body", async (t) => {
  const { port } = await play(t, (_request, response) => {
    response.writeHead(200, { 'Content-Length': 1000 });
    response.write('part', () => response.socket?.resetAndDestroy());
  });
  await assert.rejects(ask(port), { code: 'ECONNRESET' });
});

test('what a proxy says against the tunnel is what the client is told', async (t) => {
  const door = net.createServer((socket) => {
    socket.once('data', () => socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n'));
  });
  const proxy = { https: `http://127.0.0.1:${await listening(t, door)}`, noProxy: '' };
  const target = () => ({ url: 'https://files.example/x' });
  const { port, failures } = await play(t, () => {}, target, {}, { proxy });
  assert.equal((await ask(port)).body, 'upstream-connect');
  assert.match(failures[0]!.message, /the proxy answered 407/);
});

test('an upstream that splits its head is a failure, and nothing of it reaches the client', async (t) => {
  const evil = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end('HTTP/1.1 200 O\x01K\r\nX-A: b\x00\r\nContent-Length: 0\r\n\r\n', 'latin1'));
  });
  const evilPort = await listening(t, evil);
  const { port } = await play(
    t,
    () => {},
    () => ({ url: `http://127.0.0.1:${evilPort}/` }),
  );
  const answer = await ask(port);
  assert.deepEqual([answer.status, answer.reason, answer.body], [502, 'Bad Gateway', 'upstream-protocol']);
});

test('a line break in the target cannot begin a second request', async (t) => {
  const { port, failures } = await play(
    t,
    () => assert.fail('asked'),
    () => ({ url: 'http://127.0.0.1:1/a b\r\nX: 1' }),
  );
  assert.equal((await ask(port)).status, 400);
  assert.equal(failures[0]?.code, 'bad-request');
});

test('bodies of unknown length on GET, HEAD, DELETE and OPTIONS are refused', async (t) => {
  const { port } = await play(t, () => assert.fail('asked'));
  for (const method of ['GET', 'HEAD', 'DELETE', 'OPTIONS']) {
    const head = `${method} / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n`;
    assert.match(await converse(port, `${head}1\r\nx\r\n0\r\n\r\n`), /^HTTP\/1\.1 400 /);
  }
});

test('DELETE and OPTIONS with a sized body or none are forwarded as they are', async (t) => {
  const { port } = await play(t, async (request, response) => {
    const body = await text(request);
    response.end(`${request.method} ${body}`);
  });
  for (const method of ['DELETE', 'OPTIONS']) {
    assert.equal((await ask(port, { method, headers: { 'Content-Length': 4 }, body: 'body' })).body, `${method} body`);
    assert.equal((await ask(port, { method })).body, `${method} `);
  }
});

test('a body beyond the limit is 413, whether its length was said or not', async (t) => {
  const { port } = await play(t, (request) => void request.resume(), undefined, { maxBodyBytes: 10 });
  const body = 'x'.repeat(11);
  const sized = await ask(port, { method: 'POST', headers: { 'Content-Length': 11 }, body });
  const chunked = await ask(port, { method: 'POST', headers: { 'Transfer-Encoding': 'chunked' }, body });
  assert.deepEqual([sized.status, chunked.status], [413, 413]);
});

test('Expect: 100-continue is forwarded: the body comes only after upstream wants it', async (t) => {
  const { port, origin } = await play(
    t,
    async (request, response) => void response.end(await text(request)),
    (_request, response) => ({ onInformational: (status) => void (status === 100 && response.writeContinue()) }),
  );
  let wanted = 0;
  origin.on('checkContinue', async (request: IncomingMessage, response: ServerResponse) => {
    wanted++;
    response.writeContinue();
    response.end(await text(request));
  });
  const request = http.request({
    port,
    host: '127.0.0.1',
    agent: false,
    method: 'PUT',
    headers: { Expect: '100-continue' },
  });
  request.flushHeaders();
  await once(request, 'continue');
  assert.equal(wanted, 1);
  request.end('the body');
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  assert.equal(await text(response), 'the body');
});

test('an early refusal of upstream reaches a client that is still sending', async (t) => {
  const { port } = await play(t, (_request, response) => {
    response.writeHead(403, 'No').end('no');
  });
  const body = Buffer.alloc(4 * 1024 * 1024);
  const answer = await ask(port, { method: 'POST', headers: { 'Content-Length': body.length }, body });
  assert.deepEqual([answer.status, answer.body], [403, 'no']);
});

test('the caller learns of the head before the client and may add fields to it', async (t) => {
  let head: unknown;
  const { port } = await play(
    t,
    (_request, response) => response.writeHead(201, { 'X-Serial': '7' }).end(),
    () => ({
      adapt: (fields) => [...fields, 'Cache-Status', 'wheelkeep; fwd=method'],
      onResponse: (status, fields) => {
        head = [status, lines(fields, 'x-serial')];
      },
    }),
  );
  const answer = await ask(port, { method: 'PUT' });
  assert.deepEqual(head, [201, ['7']]);
  assert.deepEqual(lines(answer.raw, 'cache-status'), ['wheelkeep; fwd=method']);
});

test('an upstream over TLS is asked only when an authority that counts vouches for it', async (t) => {
  const authority = certificateAuthority();
  const origin = https.createServer(authority.issue(['127.0.0.1']), (_request, response) => response.end('secure'));
  const securePort = await listening(t, origin);
  const target = () => ({ url: `https://127.0.0.1:${securePort}/` });
  const stranger = await play(t, () => {}, target);
  const trusting = await play(t, () => {}, target, {}, { extraCertificates: { current: [authority.cert] } });
  const [refused, answered] = [await ask(stranger.port), await ask(trusting.port)];
  assert.deepEqual([refused.status, refused.body], [502, 'upstream-tls']);
  assert.deepEqual([answered.status, answered.body], [200, 'secure']);
});
