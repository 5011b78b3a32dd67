// `wheelkeep client <name>`: a line for the clients file, from a password that is typed or piped, or from a new token.

import { Command } from 'commander';
import { isClientName } from '../http/client-list.ts';
import { hashPassword, makeToken } from '../http/secret-hash.ts';
import { type ExitCode, type Terminal, WRONG_USAGE } from './command-line.ts';
import { NoSecret, readSecret } from './secret-input.ts';

const EXAMPLES = `
The line goes to standard output, everything else to the terminal. A name may have several lines: add the new one,
change the clients, remove the old one. With --token the token is printed once, and kept nowhere but at the client.

Examples:
  $ wheelkeep client alice >> clients
  $ wheelkeep client ci --token >> clients
  $ pwgen 24 1 | tee password | wheelkeep client ci >> clients

Exit codes: 0 done, 2 the name or the password cannot be used.`;

const SHORTEST = 8;

export function clientCommand(terminal: Terminal, exitCode: ExitCode): Command {
  return new Command('client')
    .description('print a line for clients_file, which says who may use the server')
    .argument('<name>', 'letters, digits and ._@+-')
    .option('--token', 'make a token instead of asking for a password')
    .addHelpText('after', EXAMPLES)
    .action(async (name: string, given: Record<string, unknown>) => {
      try {
        if (!isClientName(name))
          throw new NoSecret('a name has letters, digits and . _ @ + -, at most 64, and no colon');
        const line =
          given.token === true ? withToken(terminal, name) : `${name}:${await hashPassword(await password())}`;
        terminal.out(line);
      } catch (error) {
        if (!(error instanceof NoSecret)) throw error;
        terminal.error(error.message);
        exitCode.value = WRONG_USAGE;
      }
    });
}

function withToken(terminal: Terminal, name: string): string {
  const { token, hash } = makeToken();
  terminal.error(`the token, as bearer token or as password of ${name}: ${token}`);
  return `${name}:${hash}`;
}

async function password(): Promise<string> {
  const typed = await readSecret('password: ');
  if (typed.length < SHORTEST) throw new NoSecret(`a password has at least ${SHORTEST} characters`);
  return typed;
}
