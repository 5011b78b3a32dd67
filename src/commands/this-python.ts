// Asks a Python which wheels it takes and what markers hold on it: the answer of the `packaging` that is beside it, or
// of the one within its pip.

import { execFile } from 'node:child_process';
import { NEUTRAL_FOLDER, namedProgram, withoutAddedCode } from '../config/installed-programs.ts';
import { type Target, targetOf } from '../locks/target.ts';
import type { Terminal } from './command-line.ts';

const PROGRAM = `
import glob, json, os
try:
    import ensurepip
    bundled = os.path.join(os.path.dirname(ensurepip.__file__), "_bundled", "pip-*.whl")
except ImportError:
    bundled = ""
import sys
sys.path += glob.glob(bundled)
try:
    from packaging import markers, tags
except ImportError:
    from pip._vendor.packaging import markers, tags
tags = [str(tag) for tag in tags.sys_tags()]
print(json.dumps({"environment": markers.default_environment(), "tags": tags}))
`;
const ANSWER_MS = 20_000;

/** Undefined when there is no such Python, or none with pip. */
export async function askPython(
  python: string,
  { env, cwd }: Pick<Terminal, 'env' | 'cwd'>,
): Promise<Target | undefined> {
  const program = await namedProgram(python, { env, cwd });
  const asked = { env: withoutAddedCode(env), cwd: NEUTRAL_FOLDER, timeout: ANSWER_MS };
  const printed = await new Promise<string | undefined>((resolve) => {
    execFile(program, ['-I', '-c', PROGRAM], asked, (error, stdout) => resolve(error === null ? stdout : undefined));
  });
  if (printed === undefined) return undefined;
  const { environment, tags } = JSON.parse(printed) as {
    readonly environment: Readonly<Record<string, string>>;
    readonly tags: readonly string[];
  };
  return targetOf(environment, tags);
}
