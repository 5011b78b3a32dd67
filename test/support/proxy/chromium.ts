// A real browser for tests: Debian's chromium without a window, driven by its own protocol over a WebSocket, so that
// no package is needed. It resolves no name: like every test it reaches loopback only.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { makeFolder, removeFolder } from '../disk/temporary-folder.ts';

/** Where it is on this machine; undefined when it is missing. */
export const CHROMIUM = [process.env.WHEELKEEP_TEST_CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser'].find(
  (path) => path !== undefined && existsSync(path),
);

const FLAGS = [
  '--headless=new',
  // Containers have no other sandbox for it, and it opens pages of ours only.
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--hide-scrollbars',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1',
  '--remote-debugging-port=0',
];
const ANSWER_MS = 20_000;

type Answer = Readonly<Record<string, unknown>>;
interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Answer;
  readonly result?: Answer;
  readonly error?: { readonly message: string };
}

export interface View {
  readonly width: number;
  readonly height: number;
  readonly dark?: boolean;
  readonly script?: boolean;
}

export class Chromium {
  readonly #child: ChildProcess;
  readonly #profile: string;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (message: Message) => void>();
  #next = 0;
  #session = '';
  /** Errors and warnings of the page: exceptions, violations of its policy, answers that failed. */
  problems: string[] = [];

  private constructor(child: ChildProcess, profile: string, socket: WebSocket) {
    this.#child = child;
    this.#profile = profile;
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => this.#receive(JSON.parse(String(data))));
  }

  static async start(): Promise<Chromium> {
    const profile = await makeFolder();
    const child = spawn(CHROMIUM!, [...FLAGS, `--user-data-dir=${profile}`, 'about:blank'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const socket = new WebSocket(await debuggerUrl(child));
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve);
      socket.addEventListener('error', reject);
    });
    const browser = new Chromium(child, profile, socket);
    const { targetId } = await browser.#send('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await browser.#send('Target.attachToTarget', { targetId, flatten: true });
    browser.#session = String(sessionId);
    for (const domain of ['Page', 'Runtime', 'Log']) await browser.#send(`${domain}.enable`);
    return browser;
  }

  /** Opens `url` as in a window of that size; resolves when it is loaded. Problems of earlier pages are forgotten. */
  async open(url: string, { width, height, dark = false, script = true }: View): Promise<void> {
    await this.#send('Emulation.setDeviceMetricsOverride', {
      width,
      height,
      deviceScaleFactor: 1,
      mobile: width < 500,
    });
    const features = [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }];
    await this.#send('Emulation.setEmulatedMedia', { features });
    await this.#send('Emulation.setScriptExecutionDisabled', { value: !script });
    this.problems = [];
    const { errorText } = await this.#send('Page.navigate', { url });
    assert.equal(errorText, undefined);
    await this.until(`location.href === ${JSON.stringify(url)} && document.readyState === 'complete'`);
  }

  /** The value of a JavaScript expression in the page; promises are awaited. */
  async evaluate<Value>(expression: string): Promise<Value> {
    const { result, exceptionDetails } = await this.#send('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    assert.equal(exceptionDetails, undefined, expression);
    return (result as { value: Value }).value;
  }

  /** Resolves when the expression is true, in this page or in the one that takes its place; rejects after a while. */
  async until(expression: string): Promise<void> {
    const deadline = performance.now() + ANSWER_MS;
    const isTrue = () => this.evaluate<boolean>(expression).catch(unlessNavigated);
    while (!(await isTrue())) {
      if (performance.now() > deadline) throw new Error(`never true in the page: ${expression}`);
      // A timer of ours: the page's stand still where scripts are switched off.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Types into the focused element. */
  async type(text: string): Promise<void> {
    await this.#send('Input.insertText', { text });
  }

  /** Presses a key as a person does: `Tab`, `Enter`. */
  async press(key: 'Tab' | 'Enter'): Promise<void> {
    const common = { key, code: key, windowsVirtualKeyCode: key === 'Tab' ? 9 : 13 };
    await this.#send('Input.dispatchKeyEvent', {
      type: 'keyDown',
      ...common,
      ...(key === 'Enter' ? { text: '\r' } : {}),
    });
    await this.#send('Input.dispatchKeyEvent', { type: 'keyUp', ...common });
  }

  /** The whole page, or what the window shows, as PNG. */
  async screenshot(whole: boolean): Promise<Buffer> {
    const { data } = await this.#send('Page.captureScreenshot', { format: 'png', captureBeyondViewport: whole });
    return Buffer.from(String(data), 'base64');
  }

  /** What assistive technology is told: role and name of every element that it sees. */
  async accessibility(): Promise<readonly { readonly role: string; readonly name: string }[]> {
    const { nodes } = await this.#send('Accessibility.getFullAXTree');
    return (nodes as { ignored: boolean; role?: { value: string }; name?: { value: string } }[])
      .filter(({ ignored }) => !ignored)
      .map(({ role, name }) => ({ role: role?.value ?? '', name: name?.value ?? '' }));
  }

  async close(): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
    this.#socket.close();
    await removeFolder(this.#profile);
  }

  #send(method: string, params: Answer = {}): Promise<Answer> {
    const id = ++this.#next;
    const sessionId = this.#session;
    this.#socket.send(JSON.stringify({ id, method, params, ...(sessionId === '' ? {} : { sessionId }) }));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`chromium does not answer ${method}`)), ANSWER_MS);
      this.#waiting.set(id, ({ result, error }) => {
        clearTimeout(timer);
        if (error === undefined) resolve(result ?? {});
        else reject(new Error(`${method}: ${error.message}`));
      });
    });
  }

  #receive(message: Message): void {
    if (message.id !== undefined) {
      this.#waiting.get(message.id)?.(message);
      this.#waiting.delete(message.id);
    } else if (message.method === 'Runtime.exceptionThrown') {
      this.problems.push(JSON.stringify(message.params));
    } else if (message.method === 'Log.entryAdded' || message.method === 'Runtime.consoleAPICalled') {
      this.problems.push(JSON.stringify(message.params));
    }
  }
}

/** A question to a page that was left meanwhile is to be asked again. */
function unlessNavigated(error: Error): false {
  if (/navigated|context/.test(error.message)) return false;
  throw error;
}

async function debuggerUrl(child: ChildProcess): Promise<string> {
  const timer = setTimeout(() => child.kill('SIGKILL'), ANSWER_MS);
  for await (const line of createInterface({ input: child.stderr! })) {
    const url = /^DevTools listening on (ws:.*)$/.exec(line)?.[1];
    if (url === undefined) continue;
    clearTimeout(timer);
    // What it says from now on is of no use, and must not fill the pipe.
    child.stderr!.resume();
    return url;
  }
  throw new Error('chromium ended before it listened');
}
