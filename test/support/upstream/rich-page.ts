// A JSON page that says everything an index can say of a project (PEP 691, 700, 708, 740, 752, 792), and things that no
// standard knows. Nothing in it needs mending, so it has to come through as it is.

import { type Distribution, sdist, wheel } from './wheels.ts';

export interface RichPage {
  readonly project: string;
  /** Upstream's page; its files lie at `filesBase`. */
  readonly text: string;
  readonly distributions: readonly Distribution[];
}

/** The page of `rich.Project_x`; integers beyond 2^53 and the order of keys are part of it. */
export function richPage(filesBase: string): RichPage {
  const name = 'rich.Project_x';
  const distributions = [
    sdist({ name, version: '0.9' }),
    wheel({ name, version: '1.0', requiresPython: '>=3.8,<4' }),
    wheel({ name, version: '1.1', requires: ['other[extra]>=1; python_version<"4"'] }),
    wheel({ name, version: '1.2+cu1.2' }),
    wheel({ name, version: '1!0.5' }),
    wheel({ name, version: '2.0rc1' }),
    wheel({ name, version: '2.0', tag: 'cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64' }),
  ];
  const extras: readonly Readonly<Record<string, unknown>>[] = [
    { 'requires-python': null, yanked: false, 'gpg-sig': true },
    { 'requires-python': '>=3.8,<4', yanked: true, 'core-metadata': true, 'dist-info-metadata': true },
    { yanked: 'says "no" & <so>,\nnow \u{1f525}', provenance: 'https://index.example/integrity/1.1/provenance' },
    { provenance: null, _private: { deep: [1, 2.5, 'x', null] }, uploader: 'someone' },
    { 'gpg-sig': false, 'x-unknown': [], 'alternate-size': 12345 },
    { 'core-metadata': false, 'data-dist-info-metadata': false },
    {},
  ];
  const files = distributions.map((file, i) => ({
    filename: file.filename,
    url: `${filesBase}${encodeURI(file.filename)}`,
    hashes: { sha256: file.sha256 },
    size: file.bytes.length,
    'upload-time': `2026-01-0${i + 1}T03:04:05.678901Z`,
    ...(file.filename.endsWith('.whl') && { 'core-metadata': { sha256: file.metadataSha256 } }),
    ...extras[i],
  }));
  const page = {
    meta: {
      '_last-serial': 4711,
      'api-version': '1.4',
      tracks: ['https://other.example/simple/rich-project-x/'],
      _node: 'a',
    },
    'alternate-locations': ['https://other.example/simple/rich-project-x/'],
    name: 'rich-project-x',
    'project-status': { status: 'archived', reason: 'no time, "sorry" & <bye>' },
    versions: distributions.map(({ version }) => version),
    namespaces: [{ name: 'rich', authorized: true }],
    'unknown-key': { a: [true, false, null] },
    files,
  };
  // JSON.stringify cannot write this number.
  const text = JSON.stringify(page).replace('"alternate-size":12345', '"alternate-size":123456789012345678901');
  return { project: 'rich-project-x', text, distributions };
}
