// What one version of a lock names, asked for: its page, and of its files those that count, with their core metadata.

import { namesDistribution } from '../index/distribution-name.ts';
import { type Meant, meantFiles } from '../locks/listed-files.ts';
import type { LockedVersion } from '../locks/lock.ts';
import { type Finding, finding, type IndexWalk } from './index-walk.ts';

export interface WalkedFile {
  /** Undefined when only its hash is known. */
  readonly filename: string | undefined;
  /** With those of its core metadata. */
  readonly findings: readonly Finding[];
  readonly meant: Meant;
}

export interface WalkedVersion {
  readonly version: LockedVersion;
  readonly page: Finding;
  readonly files: readonly WalkedFile[];
}

/** Never rejects for what cannot be had. `accepts` says which files count; undefined is all. */
export async function walkVersion(
  version: LockedVersion,
  index: IndexWalk,
  accepts: ((filename: string) => boolean) | undefined,
): Promise<WalkedVersion> {
  const { project } = version;
  const page = await index.page(project);
  const problem = page.finding.problem && 'its page cannot be had, so nobody knows where it is';
  const meant: readonly Meant[] = problem ? unreachable(version, problem) : meantFiles(version, page.files);
  const files: WalkedFile[] = [];
  for (const one of meant) {
    const name = one.kind === 'listed' ? one.file.filename : one.name;
    const filename = namesDistribution(name) ? name : undefined;
    // What has only a hash yet may be any file.
    if (filename !== undefined && accepts?.(filename) === false) continue;
    const findings =
      one.kind === 'missing'
        ? [finding(project, 'file', name, 0, one.problem)]
        : [
            await index.file(project, one.file, one.hashes),
            ...(one.file.hasMetadata ? [await index.metadata(project, one.file)] : []),
          ];
    files.push({ filename, findings, meant: one });
  }
  return { version, page: page.finding, files };
}

/** Without the page it is not known which files a bare version has: it counts as one. */
function unreachable({ project, version, files }: LockedVersion, problem: string): Meant[] {
  if (files.length === 0) return [{ kind: 'missing', name: `${project} ${version}`, problem }];
  return files.map(({ filename, hashes }) => ({ kind: 'missing', name: filename ?? hashes[0] ?? '', problem }));
}
