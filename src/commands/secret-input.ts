// A secret from the keyboard, without showing it and twice because it cannot be seen, or from the first line of a pipe.

import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';

/** There is none to be had; the message says why. */
export class NoSecret extends Error {}

/** Rejects with NoSecret. */
export async function readSecret(prompt: string): Promise<string> {
  if (!process.stdin.isTTY) return firstLine();
  const once = await typed(prompt);
  if ((await typed('again: ')) !== once) throw new NoSecret('the two are not the same');
  return once;
}

async function firstLine(): Promise<string> {
  for await (const line of createInterface({ input: process.stdin })) return line;
  throw new NoSecret('nothing came on standard input');
}

async function typed(prompt: string): Promise<string> {
  process.stderr.write(prompt);
  // What readline would echo goes nowhere.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  const interrupted = new Promise<never>((_resolve, reject) => {
    for (const event of ['SIGINT', 'close'] as const)
      lines.once(event, () => reject(new NoSecret('nothing was typed')));
  });
  try {
    return await Promise.race([lines.question(''), interrupted]);
  } finally {
    lines.close();
    process.stderr.write('\n');
  }
}
