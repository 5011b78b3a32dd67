// Before anything is measured: does each contender really do the work?

import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { PAGE_FIELDS } from './bench-context.ts';
import { fetchWhole } from './fetch-whole.ts';

/** Rejects unless the page is gzip, is the right JSON, and every one of its links leads back to the contender. */
export async function checkPage(url: string, files: number): Promise<void> {
  const { status, fields, body } = await fetchWhole(url, PAGE_FIELDS);
  if (status !== 200) throw new Error(`${url} was answered ${status}`);
  if (fields['content-encoding'] !== 'gzip') throw new Error(`${url} was not compressed`);
  const detail = JSON.parse(gunzipSync(body).toString()) as { readonly files: readonly { readonly url: string }[] };
  const ours = new URL('/files/http/', url).href;
  const foreign = detail.files.find((file) => !new URL(file.url, url).href.startsWith(ours));
  if (detail.files.length !== files) throw new Error(`${url} lists ${detail.files.length} files instead of ${files}`);
  if (foreign !== undefined) throw new Error(`${url} has a link that was not rewritten: ${foreign.url}`);
}

/** Rejects unless the file has the digest. */
export async function checkFile(url: string, digest: string): Promise<void> {
  const { status, body } = await fetchWhole(url);
  if (status !== 200) throw new Error(`${url} was answered ${status}`);
  const found = createHash('sha256').update(body).digest('hex');
  if (found !== digest) throw new Error(`${url} gave wrong bytes: ${found} instead of ${digest}`);
}
