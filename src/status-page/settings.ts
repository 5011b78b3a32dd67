// The box to copy from: what to tell each installer. The address is the one in the reader's browser, which the script
// knows; the Host field of the request is never believed. `wheelkeep env` says the same on the command line.

import { escapeHtml } from '../pages/render-html.ts';

/** `{index}` stands for the address of the index, `{host}` for its host. */
interface Line {
  readonly text: string;
  /** Needed where the address is plain http and not this machine's own. */
  readonly plainHttp?: true;
}

interface Settings {
  readonly id: string;
  readonly title: string;
  readonly lines: readonly Line[];
}

/** The settings of each installer. */
export const SETTINGS: readonly Settings[] = [
  {
    id: 'shell',
    title: 'All of them, in this shell',
    lines: [
      { text: "export PIP_INDEX_URL='{index}'" },
      { text: "export PIP_TRUSTED_HOST='{host}'", plainHttp: true },
      { text: "export UV_DEFAULT_INDEX='{index}'" },
      { text: "export PDM_PYPI_URL='{index}'" },
      { text: "export PDM_PYPI_VERIFY_SSL='false'", plainHttp: true },
      { text: "export PIPENV_PYPI_MIRROR='{index}'" },
    ],
  },
  {
    id: 'pip',
    title: 'pip, for good',
    lines: [
      { text: "pip config set global.index-url '{index}'" },
      { text: "pip config set global.trusted-host '{host}'", plainHttp: true },
    ],
  },
  {
    id: 'uv',
    title: 'uv, in pyproject.toml',
    lines: [{ text: '[[tool.uv.index]]' }, { text: 'url = "{index}"' }, { text: 'default = true' }],
  },
  {
    id: 'poetry',
    title: 'Poetry, in the project',
    lines: [{ text: "poetry source add --priority=primary wheelkeep '{index}'" }],
  },
  {
    id: 'pdm',
    title: 'PDM, for good',
    lines: [{ text: "pdm config pypi.url '{index}'" }, { text: 'pdm config pypi.verify_ssl false', plainHttp: true }],
  },
  { id: 'pipenv', title: 'pipenv', lines: [{ text: "pipenv install --pypi-mirror '{index}'" }] },
];

/**
 * The box as it is without a script: for the address that the configuration names, or with a gap to fill. With
 * `isElsewhere` the index is not at the address of this page, so that the script has nothing to fill in.
 * `limitsNames`: whether the server answers to some names only.
 */
export function settingsHtml(publicUrl: string | undefined, isElsewhere: boolean, limitsNames = false): string {
  const url = publicUrl === undefined ? undefined : new URL(publicUrl);
  const where = isElsewhere ? "the index's" : 'this';
  const index = url === undefined ? `http://<${where} address>/simple/` : `${url.href}simple/`;
  const host = url?.hostname ?? `<${where} host>`;
  const blocks = SETTINGS.map(({ id, title, lines }) => {
    const shown = lines.map(({ text, plainHttp }) => {
      const filled = text.replaceAll('{index}', index).replaceAll('{host}', host);
      const condition = plainHttp === undefined ? '' : ' data-plain-http';
      const hidden = plainHttp !== undefined && url?.protocol === 'https:' ? ' hidden' : '';
      return `<span data-line="${escapeHtml(text)}"${condition}${hidden}>${escapeHtml(filled)}\n</span>`;
    });
    return `<div class="setting"><h3 id="set-${id}">${title}</h3><button type="button" class="copy" aria-describedby="set-${id}" hidden>Copy</button>
<pre><code>${shown.join('')}</code></pre></div>`;
  });
  const gap =
    url === undefined
      ? `<p id="gap">Put the address of ${isElsewhere ? 'the index' : 'this page'} in the place of <code>&lt;${where} address&gt;</code>. What names a trusted host or switches verification off is for plain http from another machine only.</p>`
      : '';
  const names = limitsNames
    ? '<p>By other names than <code>localhost</code> this server answers where <code>allowed_hosts</code> lists them.</p>'
    : '';
  return `<section aria-labelledby="settings"><h2 id="settings">Use it</h2>${gap}
<div class="settings"${isElsewhere ? ' data-elsewhere' : ''}>${blocks.join('\n')}</div>${names}</section>`;
}
