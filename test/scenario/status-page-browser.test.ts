// The status page in a real browser: what its policy lets happen, what the script adds, and what keyboard and screen
// reader get.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { RunningClock } from '../support/clock/clock.ts';
import { CHROMIUM, Chromium, type View } from '../support/proxy/chromium.ts';
import { get } from '../support/proxy/http-client.ts';
import { type RunningProxy, startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { FakeServer } from '../support/upstream/fake-server.ts';
import { wheel } from '../support/upstream/wheels.ts';

const skip = CHROMIUM === undefined ? 'chromium is not installed' : false;
const DESKTOP: View = { width: 1100, height: 800 };
const PHONE: View = { width: 360, height: 740 };

let index: FakeIndex;
let proxy: RunningProxy;
let browser: Chromium;
let page: string;
let token: string;

before(async () => {
  if (skip !== false) return;
  const clock = new RunningClock();
  index = await FakeIndex.start();
  index.add('demo', wheel({ name: 'demo', version: '1.0' }), wheel({ name: 'demo', version: '1.1' }));
  proxy = await startProxy({ upstreams: [index.url], now: clock.now });
  page = `${proxy.url}/`;
  token = (await readFile(join(proxy.dataDir, 'admin-token'), 'utf8')).trim();
  await get(`${proxy.url}/simple/demo/`);
  await index.down();
  clock.advance(61_000);
  await get(`${proxy.url}/simple/demo/`);
  browser = await Chromium.start();
});

after(async () => {
  await browser?.close();
  await proxy?.close();
  await index?.close();
});

const textOf = (selector: string) =>
  browser.evaluate<string>(`document.querySelector(${JSON.stringify(selector)}).innerText`);

/** Opens the page as somebody who has not given the token. */
async function visit(view: View = DESKTOP): Promise<void> {
  await browser.open('about:blank', view);
  await browser.open(page, view);
}

/** Types into the field in the place of what is there, and presses Enter. */
async function enter(selector: string, text: string): Promise<void> {
  await browser.evaluate(`document.querySelector(${JSON.stringify(selector)}).select()`);
  await browser.type(text);
  await browser.press('Enter');
}

test('it loads its style and its script and nothing else, and the browser has nothing to complain of', {
  skip,
}, async () => {
  await visit();
  const resources = await browser.evaluate<string[]>(
    `performance.getEntriesByType('resource').map(({ name }) => new URL(name).pathname)`,
  );
  assert.deepEqual(resources.sort(), ['/-/status.css', '/-/status.js']);
  assert.deepEqual(browser.problems, []);
});

test('the browser is told to run and load nothing but ours', { skip }, async () => {
  await visit();
  await browser.evaluate(`document.body.insertAdjacentHTML('beforeend', '<b id="x" style="color: red">x</b>')`);
  await browser.evaluate(
    `document.body.append(Object.assign(document.createElement('script'), { text: 'window.ran = 1' }))`,
  );
  assert.equal(await browser.evaluate('window.ran ?? 0'), 0);
  assert.notEqual(await browser.evaluate(`getComputedStyle(document.getElementById('x')).color`), 'rgb(255, 0, 0)');
  assert.ok(browser.problems.some((problem) => problem.includes('Content Security Policy')));
});

test('the settings are for the address in the browser, and only what is needed there', { skip }, async () => {
  await visit();
  const shell = await textOf('#set-shell ~ pre');
  assert.ok(shell.includes(`export PIP_INDEX_URL='${page}simple/'`), shell);
  assert.ok(!shell.includes('PIP_TRUSTED_HOST'), 'loopback needs no trust');
  assert.equal(await browser.evaluate(`document.getElementById('gap')`), null);
  await browser.evaluate(`document.querySelector('.copy').click()`);
  await browser.until(`document.querySelector('.copy').textContent !== 'Copy'`);
  assert.deepEqual(browser.problems, []);
});

/** A server in front of ours that has it below /wheels/, without `closed`; `hold` may delay a request. Its address of the page. */
async function frontServer(
  t: TestContext,
  hold: (asked: IncomingMessage) => Promise<void>,
  closed?: string,
): Promise<string> {
  const front = createServer(async (asked, answer) => {
    const [, path] = /^\/wheels(\/.*)$/.exec(asked.url ?? '') ?? [];
    if (path === undefined) return void answer.writeHead(404).end();
    if (closed !== undefined && path.startsWith(closed)) return void answer.writeHead(403).end('<h1>Forbidden</h1>');
    await hold(asked);
    request(`${proxy.url}${path}`, { headers: asked.headers }, (inner) => {
      answer.writeHead(inner.statusCode!, inner.rawHeaders);
      inner.pipe(answer);
    }).end();
  }).listen(0, '127.0.0.1');
  t.after(() => front.close().closeAllConnections());
  await once(front, 'listening');
  return `http://127.0.0.1:${(front.address() as AddressInfo).port}/wheels/`;
}

test('below a prefix, behind another server, style, settings and administration are found', { skip }, async (t) => {
  const url = await frontServer(t, async () => {});
  await browser.open(url, DESKTOP);
  assert.ok((await textOf('#set-shell ~ pre')).includes(`export UV_DEFAULT_INDEX='${url}simple/'`));
  await enter('#token', token);
  await browser.until(`!document.getElementById('unlocked').hidden`);
  assert.deepEqual(browser.problems, []);
});

test('where a server in front keeps the administration to itself the page says so', { skip }, async (t) => {
  await browser.open(await frontServer(t, async () => {}, '/-/api/'), DESKTOP);
  await enter('#token', token);
  await browser.until(`document.getElementById('said').textContent.startsWith('The server in front of Wheelkeep')`);
});

test('a late answer to a wrong token does not take the right one away that was entered since', { skip }, async (t) => {
  const held = Promise.withResolvers<void>();
  const url = await frontServer(t, async ({ url: path, headers }) => {
    if (path?.includes('/status') && headers.authorization === 'Bearer wrong') await held.promise;
  });
  await browser.open(url, DESKTOP);
  await browser.evaluate(`(() => {
    const original = fetch;
    window.statuses = [];
    window.fetch = async (...request) => {
      const answer = await original(...request);
      statuses.push(answer.status);
      return answer;
    };
  })()`);
  await enter('#token', 'wrong');
  await browser.until(`document.getElementById('said').textContent === 'This is not the token.'`);
  await enter('#token', token);
  await browser.until(`!document.getElementById('unlocked').hidden`);
  held.resolve();
  await browser.until(`statuses.join() === '401,200,200,401'`);
  await enter('#project', 'demo');
  await browser.until(`document.getElementById('explained').innerText.includes('demo: served by the index default')`);
});

test('without a script the essentials are there', { skip }, async () => {
  await visit({ ...DESKTOP, script: false });
  const html = await get(page, { accept: 'text/html' });
  for (const words of [
    '1 page served from stale copies',
    'failing',
    'http://&lt;this address&gt;/simple/',
    '<noscript>',
  ]) {
    assert.ok(html.text().includes(words), words);
  }
  assert.equal((await browser.screenshot(false)).subarray(1, 4).toString(), 'PNG');
});

test('with the token it explains a project and names what is stale; without the right one it says so', {
  skip,
}, async () => {
  await visit();
  assert.equal(await browser.evaluate(`document.getElementById('unlocked').hidden`), true);
  await enter('#token', 'wrong');
  await browser.until(`document.getElementById('said').textContent === 'This is not the token.'`);
  await enter('#token', token);
  await browser.until(`!document.getElementById('unlocked').hidden`);
  assert.match(await textOf('#stale'), /Served stale now\s+Path\s+Answers\s+Last\s+\/simple\/demo\/\s+1\s+2/);
  assert.match(await textOf('#busiest'), /Asked for most.*\/simple\/demo\/\s+2.*Slowest.*\/simple\/demo\/\s+\d+ ms/s);
  assert.equal(await browser.evaluate('document.activeElement.id'), 'project');
  await enter('#project', 'demo');
  await browser.until(`document.getElementById('explained').innerText.includes('demo: served by the index default')`);
  assert.match(await textOf('#explained'), /default: a page is held \(stale/);
  await enter('#project', '-x');
  await browser.until(`document.getElementById('said').textContent === 'project is the name of a project.'`);
  // Another tab's reader of this page's address does not have it.
  assert.ok(!(await browser.evaluate<string>('location.href + document.cookie')).includes(token));
  // The page is loaded anew: the mark is in the old one.
  await browser.evaluate(`{ window.isOld = true; setTimeout(() => document.getElementById('forget').click()); }`);
  await browser.until(`window.isOld === undefined && document.getElementById('token-form')?.hidden === false`);
});

test('the token is in the page that it was given to, and in nothing that another document could read', {
  skip,
}, async () => {
  await visit();
  await enter('#token', token);
  await browser.until(`!document.getElementById('unlocked').hidden`);
  const places = await browser.evaluate<string>(`(async () => JSON.stringify([
    { ...localStorage }, { ...sessionStorage }, document.cookie, location.href, history.state, window.name,
    document.documentElement.outerHTML, [...document.querySelectorAll('input')].map(({ value }) => value),
    Object.getOwnPropertyNames(window).map((name) => { try { return String(window[name]); } catch { return ''; } }),
    await indexedDB.databases(), await caches.keys().catch(() => []),
  ]))()`);
  assert.ok(!places.includes(token));
  await browser.open('about:blank', DESKTOP);
  await browser.open(page, DESKTOP);
  assert.equal(await browser.evaluate(`document.getElementById('token-form').hidden`), false);
});

test('what a raw mount serves runs no script beside the status page, opened or framed', { skip }, async (t) => {
  const evil = `<!doctype html><title>quiet</title><p id="x">x</p><script>document.title = 'ran'</script>
    <img src="data:," onerror="document.title = 'ran'"><svg onload="document.title = 'ran'"></svg>`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg"><title>quiet</title><script>document.documentElement.setAttribute('id', 'ran')</script></svg>`;
  const fields = (type: string) => ['content-type', type, 'cache-control', 'max-age=60'];
  const origin = await FakeServer.start({
    respond: ({ url }) =>
      url.endsWith('.svg')
        ? { status: 200, fields: fields('image/svg+xml'), body: Buffer.from(svg) }
        : { status: url.endsWith('404') ? 404 : 200, fields: fields('text/html'), body: Buffer.from(evil) },
  });
  t.after(() => origin.close());
  const raw = [{ name: 'other', origin: `${origin.origin}/`, maxBodyBytes: 1e6, redirectOrigins: [] }];
  const mounted = await startProxy({ upstreams: [index.url], config: { raw } });
  t.after(() => mounted.close());
  for (const path of ['page.html', 'page.html', '404', 'image.svg']) {
    await browser.open(`${mounted.url}/raw/other/${path}`, DESKTOP);
    assert.equal(await browser.evaluate('self.origin'), 'null', path);
    assert.equal(await browser.evaluate(`document.title === 'ran' || document.documentElement.id === 'ran'`), false);
  }
  // The same page does run its script where nothing tells the browser otherwise: the test would see it.
  await browser.open(`${origin.origin}/page.html`, DESKTOP);
  assert.equal(await browser.evaluate('document.title'), 'ran');
});

test('everything that can be used has a name, is reached by the keyboard and shows that it has the focus', {
  skip,
}, async () => {
  await visit();
  const used = new Set(['button', 'textbox', 'link', 'meter', 'table', 'image', 'searchbox', 'DisclosureTriangle']);
  const nodes = (await browser.accessibility()).filter(({ role }) => used.has(role));
  assert.ok(nodes.length > 12);
  assert.deepEqual(
    nodes.filter(({ name }) => name.trim() === ''),
    [],
  );
  const reached = new Set<string>();
  for (let i = 0; i < 40; i++) {
    await browser.press('Tab');
    const [name, outline] = await browser.evaluate<[string, string]>(
      `[document.activeElement.id || document.activeElement.textContent, getComputedStyle(document.activeElement).outlineStyle]`,
    );
    if (await browser.evaluate<boolean>('document.activeElement === document.body')) break;
    assert.notEqual(outline, 'none', name);
    reached.add(name);
  }
  for (const name of ['token', 'Copy', 'In figures', 'The index']) assert.ok(reached.has(name), name);
});

const axe = readFile(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8');

for (const [dark, view] of [false, true].flatMap((dark) => [DESKTOP, PHONE].map((view) => [dark, view] as const))) {
  const title = `axe-core finds nothing serious, ${dark ? 'dark' : 'light'}, ${view.width} pixels wide, all of it shown`;
  test(title, { skip }, async () => {
    await visit({ ...view, dark });
    await enter('#token', token);
    await browser.until(`!document.getElementById('unlocked').hidden`);
    await enter('#project', 'demo');
    await browser.until(`document.getElementById('explained').innerText.includes('default: a page is held')`);
    await browser.evaluate(`document.querySelectorAll('details').forEach((one) => { one.open = true; })`);
    await browser.evaluate(`${await axe}; 0`);
    const found = await browser.evaluate<{ passes: number; violations: string[] }>(`axe.run().then((result) => ({
      passes: result.passes.length,
      violations: result.violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .flatMap(({ id, nodes }) => nodes.map((node) => id + ': ' + node.html + ' ' + node.failureSummary)),
    }))`);
    assert.deepEqual(found.violations, []);
    assert.ok(found.passes > 20, `${found.passes} rules were looked at`);
  });
}

test('on a phone nothing is wider than the window', { skip }, async () => {
  await visit(PHONE);
  assert.deepEqual(
    await browser.evaluate(`(() => {
      const wide = document.documentElement.clientWidth;
      return [wide, document.documentElement.scrollWidth,
        ...[...document.querySelectorAll('section, table, .tiles div, figure')]
          .filter((element) => element.checkVisibility() && element.getBoundingClientRect().right > wide).map((element) => element.tagName)];
    })()`),
    [PHONE.width, PHONE.width],
  );
});
