// A new page of an index with one upstream, measured by the page that is held, and by what left it before: a file that
// has another hash now is an alarm, and is refused unless the operator accepts such files. Pages of several mirrors:
// mirror-judgement.ts.

import { UpstreamFailure } from '../errors.ts';
import { areTooMany, MOST_KEPT_FILES } from './kept-files.ts';
import type { PageFacts } from './page.ts';
import type { PageSource } from './page-reader.ts';
import type { PageWorkshop } from './page-workshop.ts';
import type { ProjectName } from './project-name.ts';
import type { HeldPage } from './stored-page.ts';

export interface ChangedFilesOptions {
  readonly workshop: Pick<PageWorkshop, 'compare'>;
  /** Indexes whose files may change their hash. */
  readonly accepting: ReadonlySet<string>;
  /** Told once of each change. */
  readonly onChanged: (project: ProjectName, filename: string, accepted: boolean) => void;
}

export class ChangedFiles {
  readonly #options: ChangedFilesOptions;

  constructor(options: ChangedFilesOptions) {
    this.#options = options;
  }

  /** What is to be remembered with the new page. Rejects with an UpstreamFailure when too many files have changed. */
  async judge(
    index: string,
    project: ProjectName,
    held: HeldPage,
    candidate: PageSource,
  ): Promise<Pick<PageFacts, 'kept' | 'departed'>> {
    const { workshop, accepting, onChanged } = this.#options;
    const accepted = accepting.has(index);
    const { changedFiles, kept, departed } = await workshop.compare(held.source, candidate, []);
    const known = new Set((held.entry.facts as PageFacts | null | undefined)?.kept?.filenames);
    const news = changedFiles.filter((filename) => !known.has(filename)).slice(0, MOST_KEPT_FILES);
    for (const filename of news) onChanged(project, filename, accepted);
    const remembered = departed === undefined ? {} : { departed };
    if (accepted || kept === undefined) return remembered;
    if (areTooMany(kept)) {
      const detail = `The index gives ${changedFiles.length} files of ${project} another hash than before; its page is not believed.`;
      throw new UpstreamFailure('invalid-body', detail);
    }
    return { ...remembered, kept };
  }
}
