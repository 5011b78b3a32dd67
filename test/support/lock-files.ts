// Lock files for what a fake index has, in two formats that differ most: files with URLs, and hashes alone.

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
    const sdist = files.find(({ one }) => one.filename.endsWith('.tar.gz'));
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
