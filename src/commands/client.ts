// `wheelkeep client <name>`: a line for the clients file, from a password that is typed or piped, or from a new token.

import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { Command } from 'commander';
import { isClientName } from '../access/client-list.ts';
import { hashPassword, makeToken } from '../access/secret-hash.ts';
import {
  CommandFailure,
  outJson,
  STOPPED_BY_CTRL_C,
  type Terminal,
  WRONG_USAGE,
  withJsonFlag,
} from './command-line.ts';

const EXAMPLES = `
The line goes to standard output, everything else to the terminal. A name may have several lines: add the new one,
change the clients, remove the old one. With --token the token is printed once, and kept nowhere but at the client.

Examples:
  $ wheelkeep client alice >> clients
  $ wheelkeep client ci --token >> clients
  $ pwgen 24 1 | tee password | wheelkeep client ci >> clients

Exit codes: 0 done, 2 the name or the password cannot be used, 130 stopped by Ctrl-C.`;

const SHORTEST = 8;

/** `wheelkeep client`. */
export function clientCommand(terminal: Terminal): Command {
  return withJsonFlag(new Command('client'), 'print the line, and the token where one is made, as JSON')
    .description('print a line for clients_file, which says who may use the server')
    .argument('<name>', 'letters, digits and ._@+-')
    .option('--token', 'make a token instead of asking for a password')
    .addHelpText('after', EXAMPLES)
    .action(async (name: string, given: Record<string, unknown>) => {
      if (!isClientName(name)) {
        const cure = 'a name has letters, digits and . _ @ + -, at most 64, and no colon';
        throw new CommandFailure(`${name}: ${cure}`, WRONG_USAGE);
      }
      const { token, hash } = given.token === true ? makeToken() : { hash: await hashPassword(await password()) };
      const line = `${name}:${hash}`;
      if (given.json === true) return outJson(terminal, { line, token });
      if (token !== undefined) terminal.error(`the token, as bearer token or as password of ${name}: ${token}`);
      terminal.out(line);
    });
}

async function password(): Promise<string> {
  const typed = await readSecret('password: ');
  if (typed.length < SHORTEST) throw new CommandFailure(`a password has at least ${SHORTEST} characters`, WRONG_USAGE);
  return typed;
}

// A secret from the keyboard, without showing it and twice because it cannot be seen, or from the first line of a pipe.

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
