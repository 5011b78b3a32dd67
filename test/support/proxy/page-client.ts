// Asks a running Wheelkeep for index pages as installers do, and reads what they say.

import { type ClientResponse, get } from './http-client.ts';

export const JSON_TYPE = 'application/vnd.pypi.simple.v1+json';

/** The page of a project in JSON, uncoded; `fields` are further request fields. */
export function getPage(
  proxy: { readonly url: string },
  project: string,
  fields: Readonly<Record<string, string>> = {},
): Promise<ClientResponse> {
  return get(`${proxy.url}/simple/${project}/`, { accept: JSON_TYPE, ...fields });
}

/** The names of the files that a JSON page lists. */
export function listed(page: ClientResponse): string[] {
  const { files } = page.json() as { readonly files: readonly { readonly filename: string }[] };
  return files.map(({ filename }) => filename);
}

/** Asks until an answer is as `wanted`; rejects with the last one's state when none is in time. */
export async function until(
  ask: () => Promise<ClientResponse>,
  wanted: (answer: ClientResponse) => boolean,
  timeoutMs = 5_000,
): Promise<ClientResponse> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (wanted(answer)) return answer;
    if (performance.now() > end) {
      throw new Error(`no such answer in time; the last: ${answer.status} ${answer.field('cache-status')}`);
    }
  }
}
