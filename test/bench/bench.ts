// `npm run bench -- [pages|files|cold|stampede|stale|projects|start|all] [--rounds N] [--seconds S] [--json file]`:
// Wheelkeep side by side with nginx and with the runtime's limit. README.md beside this file says what the figures mean.

import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Bench } from './bench-context.ts';
import { cold } from './cases/cold.ts';
import { files } from './cases/files.ts';
import { pages } from './cases/pages.ts';
import { projects } from './cases/projects.ts';
import { stale } from './cases/stale.ts';
import { stampede } from './cases/stampede.ts';
import { start } from './cases/start.ts';
import { Report } from './report.ts';
import { Stage } from './stage.ts';
import { startUpstream } from './upstream/upstream.ts';

const CASES = new Map(Object.entries({ pages, files, cold, stampede, stale, projects, start }));
const USAGE = `npm run bench -- [${[...CASES.keys()].join('|')}|all] [--rounds N] [--seconds S] [--json file] [--profile folder]`;

function readArguments() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '3' },
      json: { type: 'string' },
      profile: { type: 'string' },
    },
  });
  const names = positionals.length === 0 || positionals.includes('all') ? [...CASES.keys()] : positionals;
  const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)];
  const unknown = names.find((name) => !CASES.has(name));
  if (unknown !== undefined) throw new Error(`no case is called ${unknown}\n${USAGE}`);
  // wrk takes whole seconds.
  if (!isCount(rounds) || !isCount(seconds)) throw new Error(`--rounds and --seconds are whole numbers\n${USAGE}`);
  return { names, rounds, seconds, json: values.json, profile: values.profile };
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value > 0;
}

async function main(): Promise<void> {
  const { names, rounds, seconds, json, profile } = readArguments();
  const profileFolder = profile === undefined ? undefined : resolve(profile);
  if (profileFolder !== undefined) mkdirSync(profileFolder, { recursive: true });
  const machine = describeMachine();
  console.log(machine);

  const stage = new Stage();
  const interrupted = (reason: unknown) => {
    console.error(reason, 'ending what was started');
    stage.close().finally(() => process.exit(1));
  };
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted).once('uncaughtException', interrupted);
  const report = new Report();
  try {
    const upstream = await startUpstream(stage);
    const bench: Bench = { stage, upstream, report, rounds, seconds, profileFolder, say, step };
    for (const name of names) await CASES.get(name)!(bench);
  } finally {
    await stage.close();
  }
  report.print();
  const load = loadavg()[2]!.toFixed(1);
  console.log(`\n  load average of the last 15 minutes, the bench included: ${load}`);
  if (json !== undefined) {
    const { tables, promises } = report;
    const result = { date: new Date().toISOString(), machine, load, names, rounds, seconds, promises, tables };
    writeFileSync(json, `${JSON.stringify(result, undefined, 2)}\n`);
  }
}

function describeMachine(): string {
  const processors = cpus();
  const nginx = spawnSync('nginx', ['-v'], { encoding: 'utf8' }).stderr;
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  return `${processors.length} cores (${processors[0]!.model}), ${gigabytes} GB, node ${process.version}, ${nginx.trim()}`;
}

function say(line: string): void {
  console.log(`\n# ${line}`);
}

function step(done: number, of: number): void {
  console.log(`  round ${done} of ${of}`);
}

await main();
