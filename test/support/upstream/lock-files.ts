// Lock files for what a fake index has, in all formats that locks are written in.

import type { FakeIndex } from './fake-index.ts';
import type { Distribution } from './wheels.ts';

/** What the lock shall name: distributions by project. */
export type Locked = Readonly<Record<string, readonly Distribution[]>>;

/** A uv.lock as uv writes it. */
export function uvLock(index: FakeIndex, locked: Locked): string {
  const packages = Object.entries(locked).map(([name, distributions]) => {
    const files = distributions.map((one) => {
      const url = new URL(index.pathOf(one), index.url).href;
      return { one, text: `{ url = "${url}", hash = "sha256:${one.sha256}", size = ${one.bytes.length} }` };
    });
    const sdist = files.find(({ one }) => !one.filename.endsWith('.whl'));
    const wheels = files.filter(({ one }) => one.filename.endsWith('.whl')).map(({ text }) => `    ${text},\n`);
    return [
      '[[package]]',
      `name = "${name}"`,
      `version = "${distributions[0]!.version}"`,
      `source = { registry = "${index.url}" }`,
      ...(sdist === undefined ? [] : [`sdist = ${sdist.text}`]),
      ...(wheels.length === 0 ? [] : [`wheels = [\n${wheels.join('')}]`]),
      '',
    ].join('\n');
  });
  return `version = 1\nrevision = 3\nrequires-python = ">=3.11"\n\n${packages.join('\n')}`;
}

/** Requirements with hashes, as pip-compile writes them. */
export function hashedRequirements(locked: Locked): string {
  return Object.entries(locked)
    .map(([name, distributions]) => {
      const hashes = distributions.map(({ sha256 }) => `    --hash=sha256:${sha256}`);
      return `${[`${name}==${distributions[0]!.version}`, ...hashes].join(' \\\n')}\n`;
    })
    .join('');
}

/** Locks of other tools, each with a package for another platform that no index has. */
export function otherLocks(): Readonly<Record<string, (locked: Locked) => string>> {
  const elsewhere = "sys_platform == 'nowhere'";
  const hash = 'ab'.repeat(32);
  const listed = (locked: Locked, marker: string, metadata: string) => {
    const packages = Object.entries(locked).map(([name, files]) => {
      const lines = files.map((file) => `  {file = "${file.filename}", hash = "sha256:${file.sha256}"},`);
      return [`[[package]]\nname = "${name}"\nversion = "${files[0]!.version}"`, `files = [\n${lines.join('\n')}\n]`];
    });
    const other = [`[[package]]\nname = "other"\nversion = "1"\n${marker} = "${elsewhere}"`];
    return [
      ...packages.flat(),
      ...other,
      `files = [{file = "other-1.tar.gz", hash = "sha256:${hash}"}]`,
      metadata,
    ].join('\n');
  };
  return {
    'poetry.lock': (locked) => listed(locked, 'markers', '[metadata]\nlock-version = "2.1"\ncontent-hash = "00"'),
    'pdm.lock': (locked) => listed(locked, 'marker', '[metadata]\nlock_version = "4.5.0"\ncontent_hash = "00"'),
    'Pipfile.lock': (locked) => {
      const packages = Object.entries(locked).map(([name, files]) => {
        return [name, { version: `==${files[0]!.version}`, hashes: files.map(({ sha256 }) => `sha256:${sha256}`) }];
      });
      const other = { version: '==1', hashes: [`sha256:${hash}`], markers: elsewhere };
      return JSON.stringify({ _meta: {}, default: { ...Object.fromEntries(packages), other } });
    },
    'pylock.toml': (locked) => {
      const file = (kind: string, filename: string, sha256: string) =>
        `[[packages.${kind}]]\nurl = "https://files.example/${filename}"\nhashes = {sha256 = "${sha256}"}`;
      const packages = Object.entries(locked).map(([name, files]) =>
        [
          `[[packages]]\nname = "${name}"\nversion = "${files[0]!.version}"`,
          ...files.map(({ filename, sha256 }) =>
            filename.endsWith('.whl')
              ? file('wheels', filename, sha256)
              : file('wheels', filename, sha256).replace('[[packages.wheels]]', '[packages.sdist]'),
          ),
        ].join('\n'),
      );
      const other = `[[packages]]\nname = "other"\nversion = "1"\nmarker = "${elsewhere}"\n${file('wheels', 'other-1-py3-none-any.whl', hash)}`;
      return ['lock-version = "1.0"', ...packages, other].join('\n');
    },
  };
}
