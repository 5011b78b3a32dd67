// The answers that refuse a file, in the words that its client reads.

import { ChangedFile, NotFound } from '../core/errors.ts';
import type { ProjectName } from '../pages/project-name.ts';

export function changedFile(project: ProjectName, filename: string): ChangedFile {
  return new ChangedFile(
    `The index gives ${filename} another hash than it did before. Whoever runs this cache can look into it and accept ` +
      `what the index has now: wheelkeep purge ${project}`,
  );
}

export function notListed(filename: string): NotFound {
  return new NotFound(`No page lists ${filename} at this address.`, 'file-not-listed');
}

export function fileNotFound(): NotFound {
  return new NotFound('Upstream does not have this file.', 'file-not-found');
}
