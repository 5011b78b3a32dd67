// Asks the command's own Wheelkeep as an installer would: pages in JSON, files whole and hashed.

import { createHash, getHashes, type Hash } from 'node:crypto';
import { Agent, type IncomingMessage, request } from 'node:http';
import { Readable } from 'node:stream';
import type { ListedFile } from '../locks/listed-files.ts';

/** The Wheelkeep that is asked, and how many connections are used. */
export interface IndexClientOptions {
  /** The app's address, with the final slash. */
  readonly url: string;
  readonly connections: number;
}

/** The answer says that it cannot be had; the message says why. */
export class Refused extends Error {
  /** The stable code of the problem (errors.ts), where the answer gave one. */
  readonly code: string | undefined;

  constructor(message: string, code?: string) {
    super(message);
    this.code = code;
  }
}

const MAX_REDIRECTS = 3;

/** Asks a Wheelkeep as an installer would. Rejects with Refused. */
export class IndexClient {
  readonly #root: string;
  readonly #agent: Agent;

  constructor({ url, connections }: IndexClientOptions) {
    this.#root = url;
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  /** The files on the project's page. Rejects with Refused when there is no page to be had. */
  async page(project: string): Promise<ListedFile[]> {
    const url = new URL(`simple/${project}/`, this.#root).href;
    const response = await this.#get(url, 'application/vnd.pypi.simple.v1+json');
    const page = JSON.parse((await bodyOf(response)).toString()) as { readonly files: readonly PageFile[] };
    return page.files.map((file) => ({
      filename: file.filename,
      url: new URL(file.url, url).href,
      hashes: file.hashes,
      hasMetadata: typeof file['core-metadata'] === 'object' || file['core-metadata'] === true,
      requiresPython: file['requires-python'] ?? undefined,
      // The reason of it where there is one (PEP 592).
      isYanked: file.yanked !== undefined && file.yanked !== false,
    }));
  }

  /** Reads the whole file; resolves with its size in bytes. Rejects with Refused, also when a hash is not its own. */
  async file(url: string, hashes: readonly string[]): Promise<number> {
    const response = await this.#get(url, '*/*');
    const checks = hashes.flatMap(checkOf);
    let sizeBytes = 0;
    for await (const chunk of chunksOf(response)) {
      sizeBytes += chunk.length;
      for (const { hash } of checks) hash.update(chunk);
    }
    for (const { algorithm, hex, hash } of checks) {
      if (hash.digest('hex') !== hex) throw new Refused(`its ${algorithm} is not that of the lock`);
    }
    return sizeBytes;
  }

  /** The bytes as they arrive. Rejects with Refused when there are none; what breaks later breaks the stream. */
  async open(url: string): Promise<Readable> {
    return Readable.from(chunksOf(await this.#get(url, '*/*')));
  }

  /** Ends all that is running. */
  close(): void {
    this.#agent.destroy();
  }

  /** The 200 answer, with its body to come. Rejects with Refused for any other, and when the connection breaks. */
  async #get(url: string, accept: string, redirects = 0): Promise<IncomingMessage> {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const asked = request(url, { agent: this.#agent, headers: { accept } });
      asked.once('response', resolve);
      asked.once('error', (error) => reject(new Refused(`the connection broke (${error.message})`)));
      asked.end();
    });
    const { statusCode = 0, headers } = response;
    if (statusCode === 200) return response;
    if (statusCode >= 300 && statusCode < 400 && headers.location !== undefined && redirects < MAX_REDIRECTS) {
      response.resume();
      return this.#get(new URL(headers.location, url).href, accept, redirects + 1);
    }
    throw refusalOf(statusCode, await bodyOf(response));
  }
}

interface PageFile {
  readonly filename: string;
  readonly url: string;
  readonly hashes: Readonly<Record<string, string>>;
  readonly 'core-metadata'?: unknown;
  readonly 'requires-python'?: string | null;
  readonly yanked?: boolean | string;
}

/** A hash to be counted, for an algorithm that can be; locks may name others, which then are not checked. */
function checkOf(expected: string): { readonly algorithm: string; readonly hex: string; readonly hash: Hash }[] {
  const colon = expected.indexOf(':');
  const algorithm = expected.slice(0, colon);
  if (!getHashes().includes(algorithm)) return [];
  return [{ algorithm, hex: expected.slice(colon + 1), hash: createHash(algorithm) }];
}

async function bodyOf(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of chunksOf(response)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Rejects with Refused when the connection ends before the body does: so HTTP tells of a failure behind the head. */
async function* chunksOf(response: IncomingMessage): AsyncGenerator<Buffer, void> {
  try {
    yield* response as AsyncIterable<Buffer>;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    throw new Refused('it broke off, for upstream failed or sent wrong bytes');
  }
}

/** What a problem document says (RFC 9457); its type ends in our code. */
function refusalOf(status: number, body: Buffer): Refused {
  try {
    const { detail, type } = JSON.parse(body.toString()) as { readonly detail?: unknown; readonly type?: unknown };
    return new Refused(String(detail), typeof type === 'string' ? type.split('#')[1] : undefined);
  } catch (error) {
    if (error instanceof SyntaxError) return new Refused(`answered with status ${status}`);
    throw error;
  }
}
