// Who installs in the demo: the pip of this machine, or, where there is none, the same steps by hand.

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { get } from '../support/proxy/http-client.ts';

const run = promisify(execFile);

export interface Installer {
  /** As the demo calls it. */
  readonly name: string;
  /** Installs the projects, and what they need, into an empty folder; rejects when one cannot be had. */
  install(indexUrl: string, projects: readonly string[], target: string): Promise<void>;
}

/** pip where there is one that runs; `home` is the folder it takes for its home. */
export async function findInstaller(home: string): Promise<Installer> {
  for (const python of ['python3', 'python']) {
    const version = await run(python, ['-m', 'pip', '--version']).then(
      ({ stdout }) => /^pip \S+/.exec(stdout)?.[0],
      () => undefined,
    );
    if (version !== undefined) return pip(python, version, home);
  }
  return WALK;
}

function pip(python: string, name: string, home: string): Installer {
  return {
    name,
    install: async (indexUrl, projects, target) => {
      const flags = ['--quiet', '--no-cache-dir', '--disable-pip-version-check', '--only-binary', ':all:'];
      const args = ['-m', 'pip', 'install', ...flags, '--index-url', indexUrl, '--target', target];
      // Nothing of this machine's settings: the demo installs from the demo's index alone.
      const env = { PATH: process.env.PATH, HOME: home, TMPDIR: home, PIP_CONFIG_FILE: '/dev/null', NO_PROXY: '*' };
      await run(python, [...args, ...projects], { env });
    },
  };
}

interface ListedFile {
  readonly filename: string;
  readonly url: string;
  readonly hashes: { readonly sha256: string };
}

/** What every installer does: the page, its last file, the hash. It follows no requirements. */
export const WALK: Installer = {
  name: 'the built-in walk (page, file, hash; there is no pip here)',
  install: async (indexUrl, projects, target) => {
    await mkdir(target, { recursive: true });
    for (const project of projects) {
      const url = `${indexUrl}${project}/`;
      const page = await get(url, { accept: 'application/vnd.pypi.simple.v1+json' });
      if (page.status !== 200) throw new Error(`${url} answered ${page.status}`);
      const file = (page.json() as { files: ListedFile[] }).files.at(-1)!;
      const { status, body } = await get(new URL(file.url, url).href);
      const sha256 = createHash('sha256').update(body).digest('hex');
      if (status !== 200 || sha256 !== file.hashes.sha256) throw new Error(`${file.filename} answered ${status}`);
      await writeFile(join(target, file.filename), body);
    }
  },
};

/** What was installed, for people: the packages' names and versions. */
export async function installed(target: string): Promise<string> {
  const names = await readdir(target);
  return names
    .map((name) => /^(\w+)-([\d.]+)(?:\.dist-info|-py3-none-any\.whl)$/.exec(name))
    .filter((match) => match !== null)
    .map(([, name, version]) => `${name} ${version}`)
    .sort()
    .join(', ');
}
