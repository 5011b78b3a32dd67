// Which files get core metadata that we cut out of them, at the indexes whose operator asked for it: wheels whose hash
// the page gives, where the page offers none. What we announce we must be able to serve: pip fails the install else.

import type { FileRecord } from '../pages/page.ts';

export function canExtract(file: Pick<FileRecord, 'filename' | 'hashes' | 'coreMetadata'>): boolean {
  const none = file.coreMetadata === undefined || file.coreMetadata === false;
  return none && /\.whl$/i.test(file.filename) && file.hashes.sha256 !== undefined;
}
