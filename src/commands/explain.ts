// `wheelkeep explain`: why a project or file is visible or not, fresh or stale, from where, since when.

import { Command } from 'commander';
import type { FileExplanation } from '../files/explain-file.ts';
import type { IndexExplanation, ProjectExplanation } from '../index/explain.ts';
import { outJson, type Terminal, withConfigFlags, withJsonFlag } from './command-line.ts';
import { askRunningServer } from './running-server.ts';

const EXAMPLES = `
It tells what the running server holds and asks no upstream.

Examples:
  $ wheelkeep explain numpy
  $ wheelkeep explain numpy numpy-2.1.0.tar.gz
  $ wheelkeep explain numpy --json

Exit codes: 0 done, 1 no server runs or it refused, 2 the command line or the configuration is wrong.`;

type Explanation = ProjectExplanation & { readonly file?: FileExplanation };

/** `wheelkeep explain`. */
export function explainCommand(terminal: Terminal): Command {
  return withJsonFlag(withConfigFlags(new Command('explain'), ['config', 'host', 'port', 'dataDir']))
    .description('tell why a project or file is visible or not, and how current it is')
    .argument('<project>')
    .argument('[file]', 'the name of one of its files')
    .addHelpText('after', EXAMPLES)
    .action(async (project: string, file: string | undefined, given: Record<string, unknown>) => {
      const query = new URLSearchParams({ project, ...(file !== undefined && { file }) });
      const answer = await askRunningServer(terminal, given, { path: `explain?${query}` });
      if (given.json === true) return outJson(terminal, answer);
      for (const line of explanationLines(answer as Explanation)) terminal.out(line);
    });
}

function explanationLines({ project, boundTo, answeredBy, indexes, file }: Explanation): string[] {
  const found = answeredBy === undefined ? 'no index gives it' : `given by ${answeredBy}`;
  const lines = [`${project}: ${found}${boundTo === undefined ? '' : `, bound to ${boundTo}`}`];
  for (const index of indexes) lines.push(...indexLines(index));
  if (file !== undefined) lines.push(...fileLines(file));
  return lines;
}

function indexLines({ index, verdict, page, doubt, trouble }: IndexExplanation): string[] {
  const lines = [`  ${index}: ${verdict}`];
  if (page !== undefined) {
    const { validatedAt, ageSeconds, remainingSeconds, url, source, facts } = page;
    const fresh = remainingSeconds > 0 ? `fresh for ${remainingSeconds} s` : `stale for ${-remainingSeconds} s`;
    lines.push(`    validated ${validatedAt}, ${ageSeconds} s ago, ${fresh}`, `    from ${url} (${source})`);
    const known = [
      ...(facts === undefined ? [] : [`${facts.files} files`]),
      ...(facts?.serial === undefined ? [] : [`serial ${facts.serial}`]),
      ...(facts?.status === undefined ? [] : [`status ${facts.status}`]),
    ];
    if (known.length > 0) lines.push(`    ${known.join(', ')}`);
    for (const unserved of facts?.unserved ?? []) lines.push(`    cannot be served: ${unserved}`);
  }
  if (doubt !== undefined) {
    lines.push(`    not believed yet: ${doubt.claim}, ${doubt.count} times since ${doubt.firstSeen}`);
  }
  if (trouble !== undefined) {
    lines.push(`    last try failed: ${trouble.cause}${trouble.waiting ? '; the next one waits' : ''}`);
  }
  return lines;
}

function fileLines({ filename, verdict, url, hashes, sizeBytes, yanked, stored }: FileExplanation): string[] {
  const lines = [`  ${filename}: ${verdict}`];
  if (url !== undefined) lines.push(`    ${url}${sizeBytes === undefined ? '' : `, ${sizeBytes} bytes`}`);
  for (const [algorithm, hex] of Object.entries(hashes ?? {})) lines.push(`    ${algorithm} ${hex}`);
  if (yanked !== undefined && yanked !== false) lines.push(`    yanked${yanked === true ? '' : `: ${yanked}`}`);
  if (stored !== undefined) {
    const proof = stored.verified ? 'its hash was checked' : 'no hash is known to check it by';
    lines.push(`    stored: ${stored.sizeBytes} bytes, ${proof}`);
  }
  return lines;
}
