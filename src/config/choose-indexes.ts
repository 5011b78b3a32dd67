// Which indexes we stand in front of: those of `upstream`, those of `indexes`, or the one this machine uses today.

import { hostname } from 'node:os';
import type { IndexConfig, UpstreamConfig } from './config.ts';
import type { CredentialsReader } from './credentials.ts';
import { findDefaultUpstream, isOwnAddress, type Machine, NO_UPSTREAM } from './default-upstream.ts';
import { ONLY_INDEX, type StructureBuilder, withCredentials } from './indexes.ts';
import { OPTIONS } from './options.ts';
import type { Problem } from './problems.ts';
import type { ReadSettings } from './settings.ts';

export interface ChosenIndexes {
  readonly indexes: readonly IndexConfig[];
  /** Where the addresses were found, for the first lines of the log. */
  readonly foundIn: string;
  /** Whether it is the index that this machine's installers use. */
  readonly isInstallers?: boolean;
}

interface Means {
  readonly builder: StructureBuilder | undefined;
  readonly credentials: CredentialsReader;
  readonly machine: Machine;
  /** Mistakes are added here. */
  readonly problems: Problem[];
}

export async function chooseIndexes(read: ReadSettings, means: Means): Promise<ChosenIndexes> {
  const { host, port, publicUrl } = read.settings;
  const isOwn = (url: string) => isOwnAddress(url, { host, port, publicUrl, hostname: hostname() });
  const chosen = await choose(read, means, isOwn);
  for (const { name, upstreams } of chosen.indexes) {
    for (const { url } of upstreams.filter((upstream) => isOwn(upstream.url))) {
      const key = name === ONLY_INDEX ? 'upstream' : `indexes.${name}`;
      const cure = 'this is our own address; name the index behind';
      means.problems.push({ key, value: url, source: chosen.foundIn, cure });
    }
  }
  return chosen;
}

async function choose(read: ReadSettings, means: Means, isOwn: (url: string) => boolean): Promise<ChosenIndexes> {
  const { settings, sources, file } = read;
  const { builder, credentials, machine, problems } = means;
  const mirrorsOf = async (addresses: readonly UpstreamConfig[]): Promise<IndexConfig[]> => {
    const upstreams = await Promise.all(addresses.map((address) => withCredentials(address, undefined, credentials)));
    const { uploadUrl } = settings;
    const only: IndexConfig = { name: ONLY_INDEX, upstreams, missingStatuses: [], pageOrigins: [], accept: 'any' };
    return [uploadUrl === undefined ? only : { ...only, uploadUrl }];
  };
  const nothing = { indexes: [], foundIn: 'nowhere' };
  const configured = file?.structures.indexes;

  if (settings.upstream !== undefined) {
    const problem = { key: 'upstream', value: undefined, source: sources.upstream };
    // Choosing one of the two silently could send private names to the public index.
    if (configured) problems.push({ ...problem, cure: 'upstream and indexes exclude one another; keep one of them' });
    const cure = `expected at least one URL, for example ${OPTIONS.upstream.example}`;
    if (settings.upstream.length === 0) problems.push({ ...problem, cure });
    return { indexes: await mirrorsOf(settings.upstream), foundIn: sources.upstream };
  }
  if (file && builder && configured) {
    return { indexes: await builder.indexes(configured), foundIn: file.sourceOf('indexes') };
  }
  if (file?.problems.length || problems.some(meansUpstream)) return nothing;
  const found = await findDefaultUpstream(machine, isOwn);
  if (found) return { indexes: await mirrorsOf([found.upstream]), foundIn: found.foundIn, isInstallers: true };
  problems.push({ key: 'upstream', value: undefined, source: 'nothing found', cure: NO_UPSTREAM });
  return nothing;
}

/** An upstream that is misspelt, wrong, or in a file that cannot be read is not replaced by what pip uses. */
function meansUpstream({ key }: Problem): boolean {
  return /upstream/i.test(key) || key === 'config';
}
