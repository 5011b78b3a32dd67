// The installers' own readers of index pages: what pip, PDM and uv make of our JSON they make of our HTML, too, and both
// are what upstream said.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { get } from '../support/proxy/http-client.ts';
import { JSON_TYPE } from '../support/proxy/page-client.ts';
import { type RunningProxy, startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { alter, status } from '../support/upstream/faults.ts';
import { type RichPage, richPage } from '../support/upstream/rich-page.ts';
import { emptyMachine, pythonOf, type ToolVariable, tool } from './tools.ts';

const FORMATS = { json: JSON_TYPE, html: 'text/html' } as const;

async function world(test: TestContext): Promise<{ readonly proxy: RunningProxy; readonly page: RichPage }> {
  const index = await FakeIndex.start();
  const page = richPage(`${index.pages.origin}/rich/`);
  index.fault(`/simple/${page.project}/`, status(200, ['content-type', JSON_TYPE], page.text));
  for (const { filename, bytes, metadata } of page.distributions) {
    const path = `/rich/${encodeURI(filename)}`;
    index.fault(
      path,
      alter(() => ({ status: 200, body: bytes })),
    );
    index.fault(
      `${path}.metadata`,
      alter(() => ({ status: 200, body: metadata })),
    );
  }
  const proxy = await startProxy({ upstreams: [index.url] });
  test.after(() => Promise.all([proxy.close(), index.close()]));
  return { proxy, page };
}

/** Prints what an installer's own code reads from the page at `url` in the file `path`. */
const READERS: Readonly<Partial<Record<ToolVariable, string>>> = {
  WHEELKEEP_TEST_PIP: `
import json, sys
from urllib.parse import unquote
from pip._internal.index.collector import IndexContent, parse_links
path, content_type, url = sys.argv[1:]
page = IndexContent(open(path, "rb").read(), content_type, "utf-8", url)
print(json.dumps([{
    "filename": link.filename, "url": unquote(link.url_without_fragment), "sha256": link._hashes.get("sha256"),
    "python": link.requires_python or "", "yanked": link.is_yanked, "reason": link.yanked_reason or "",
    "metadata": link.metadata_file_data is not None and (link.metadata_file_data.hashes or {}),
} for link in parse_links(page)]))`,
  WHEELKEEP_TEST_PDM: `
import json, sys
from unearth.collector import IndexPage, parse_html_page, parse_json_response
from unearth.link import Link
path, content_type, url = sys.argv[1:]
page = IndexPage(Link(url), open(path, "rb").read(), "utf-8", content_type)
read = parse_json_response if "json" in content_type else parse_html_page
print(json.dumps([{
    "filename": link.filename, "url": link.url_without_fragment, "sha256": (link.hash_option or {}).get("sha256", [None])[0],
    "python": link.requires_python or "", "yanked": link.is_yanked,
    "reason": link.yank_reason if isinstance(link.yank_reason, str) else "",
    "metadata": bool(link.dist_info_metadata) and (link.dist_info_metadata if isinstance(link.dist_info_metadata, dict) else {}),
} for link in read(page)]))`,
};

/** What these readers should find in upstream's page. */
function expected({ page, proxy }: { readonly page: RichPage; readonly proxy: RunningProxy }) {
  const { files } = JSON.parse(page.text) as { readonly files: readonly Readonly<Record<string, unknown>>[] };
  return files.map((file) => {
    const claim = file['core-metadata'] ?? false;
    return {
      filename: file.filename,
      url: `${proxy.url}/files/${String(file.url).replace('://', '/')}`,
      sha256: (file.hashes as { readonly sha256: string }).sha256,
      python: file['requires-python'] ?? '',
      yanked: file.yanked !== undefined && file.yanked !== false,
      reason: typeof file.yanked === 'string' ? file.yanked : '',
      metadata: claim === true ? {} : claim,
    };
  });
}

for (const [variable, program] of Object.entries(READERS)) {
  const { path: python, skip } = pythonOf(variable as ToolVariable);
  it(`the reader of ${variable} finds in both formats what upstream said`, { skip }, async (test) => {
    const { proxy, page } = await world(test);
    const { home, run } = await emptyMachine(await temporaryFolder(test), proxy.url);
    const url = `${proxy.url}/simple/${page.project}/`;
    for (const accept of Object.values(FORMATS)) {
      const answer = await get(url, { accept });
      const path = join(home, 'page');
      await writeFile(path, answer.body);
      const output = await run(python, ['-c', program, path, answer.field('content-type')!, url]);
      assert.deepEqual(JSON.parse(output), expected({ page, proxy }), accept);
    }
  });
}

const { path: uv, skip } = tool('WHEELKEEP_TEST_UV');

/** Wheelkeep as seen by a client that knows one format only: everything is passed on, Accept is replaced. */
async function viewOf(test: TestContext, proxy: RunningProxy, accept: string): Promise<string> {
  const server = createServer(async (request, response) => {
    const answer = await get(`${proxy.url}${request.url}`, { accept });
    response.writeHead(answer.status, answer.fields as string[]);
    response.end(answer.body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  test.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/simple/`;
}

describe('uv', { skip }, () => {
  it('resolves the same versions and hashes from both formats, and names the yanked', async (test) => {
    const { proxy, page } = await world(test);
    const folder = await temporaryFolder(test);
    const wanted = ['==0.9', '==1.0', '', '==2.0rc1', '==1.2+cu1.2'];
    const outputs: string[][] = [];
    for (const [format, accept] of Object.entries(FORMATS)) {
      const { home, run } = await emptyMachine(join(folder, format), await viewOf(test, proxy, accept));
      const input = join(home, 'requirements.in');
      const lines: string[] = [];
      for (const specifier of wanted) {
        await writeFile(input, `${page.project}${specifier}\n`);
        lines.push(await run(uv, ['pip', 'compile', '--no-header', '--no-deps', '--generate-hashes', input]));
      }
      // How long it took, and HTML's word for a yank without reason, may differ.
      outputs.push(lines.map((line) => line.replace(/ in [\d.]+m?s$/m, '').replace(' (reason: "")', '')));
    }
    const [json, html] = outputs;
    assert.deepEqual(html, json);
    assert.match(json![1]!, /yanked/);
    // An epoch is newer than any version without one.
    assert.match(json![2]!, /rich-project-x==1!0\.5 /);
    const hashOf = (version: string) => page.distributions.find((file) => file.version === version)!.sha256;
    for (const [i, version] of ['0.9', '1.0', '1!0.5', '2.0rc1', '1.2+cu1.2'].entries()) {
      assert.ok(json![i]!.includes(`--hash=sha256:${hashOf(version)}`), version);
    }
  });
});
