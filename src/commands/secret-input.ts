// A secret from the keyboard, without showing it and twice because it cannot be seen, or from the first line of a pipe.

import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { CommandFailure, STOPPED_BY_CTRL_C, WRONG_USAGE } from './command-line.ts';

/** Rejects with CommandFailure. */
export async function readSecret(prompt: string): Promise<string> {
  if (!process.stdin.isTTY) return firstLine();
  const once = await typed(prompt);
  if ((await typed('again: ')) !== once) throw new CommandFailure('the two are not the same', WRONG_USAGE);
  return once;
}

async function firstLine(): Promise<string> {
  for await (const line of createInterface({ input: process.stdin })) return line;
  throw new CommandFailure('nothing came on standard input', WRONG_USAGE);
}

async function typed(prompt: string): Promise<string> {
  process.stderr.write(prompt);
  // What readline would echo goes nowhere.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  const interrupted = new Promise<never>((_resolve, reject) => {
    lines.once('SIGINT', () => reject(new CommandFailure('stopped by SIGINT', STOPPED_BY_CTRL_C)));
    lines.once('close', () => reject(new CommandFailure('nothing was typed', WRONG_USAGE)));
  });
  try {
    return await Promise.race([lines.question(''), interrupted]);
  } finally {
    lines.close();
    process.stderr.write('\n');
  }
}
