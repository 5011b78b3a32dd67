// The netrc file, read as Python's installers read it: pip sends what it says to an index without other credentials.

import type { Credentials } from './config.ts';

/** The entry of `host` (its `default` entry otherwise) as basic credentials. Ports play no part in netrc. */
export function netrcCredentials(content: string, host: string): Credentials | undefined {
  const entries = new Map<string, { user: string; password: string }>();
  let entry: { user: string; password: string } | undefined;
  const tokens = tokensOf(content);
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i];
    if (token === 'machine' || token === 'default') {
      entry = { user: '', password: '' };
      const name = token === 'default' ? '' : (tokens[++i] ?? '').toLowerCase();
      if (!entries.has(name)) entries.set(name, entry);
    } else if (entry && token === 'login') entry.user = tokens[++i] ?? '';
    else if (entry && token === 'password') entry.password = tokens[++i] ?? '';
    else if (token === 'account') i++;
  }
  const found = entries.get(host.toLowerCase()) ?? entries.get('');
  return found && (found.user || found.password) ? { kind: 'basic', ...found } : undefined;
}

/** Words, quoted ones unquoted; comments and macro definitions (up to the next blank line) left out. */
function tokensOf(content: string): string[] {
  const tokens: string[] = [];
  let inMacro = false;
  for (const line of content.split(/\r?\n/)) {
    if (line.trim() === '') inMacro = false;
    if (inMacro || line.trimStart().startsWith('#')) continue;
    const words: string[] = line.match(/"(?:[^"\\]|\\.)*"|\S+/g) ?? [];
    const macro = words.indexOf('macdef');
    inMacro = macro >= 0;
    for (const word of inMacro ? words.slice(0, macro) : words) {
      tokens.push(/^".*"$/.test(word) ? word.slice(1, -1).replace(/\\(.)/g, '$1') : word);
    }
  }
  return tokens;
}
