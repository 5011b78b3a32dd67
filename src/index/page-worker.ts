// The thread that reads and renders large pages; see page-workshop.ts.

import { parentPort, workerData } from 'node:worker_threads';
import { InvalidPage } from './invalid-page.ts';
import { PageReader, type ReaderLimits } from './page-reader.ts';
import type { JobReply, PageJob } from './page-workshop.ts';

/** The last few giant pages stay parsed: a check is followed by renderings and by requests for files. */
const PARSED_BYTES = 48 * 1024 * 1024;

const reader = new PageReader(workerData as ReaderLimits, PARSED_BYTES);
const port = parentPort!;

port.on('message', ({ id, job }: { readonly id: number; readonly job: PageJob }) => {
  port.postMessage(replyTo(id, job));
});

function replyTo(id: number, job: PageJob): JobReply {
  try {
    return { id, result: perform(job) };
  } catch (error) {
    return { id, problem: (error as Error).message, invalid: error instanceof InvalidPage };
  }
}

function perform(job: PageJob): unknown {
  switch (job.task) {
    case 'check':
      return reader.check(job.source);
    case 'render':
      return reader.render(job.source, job.format);
    case 'merge':
      return reader.merge(job.lists, job.routes, job.format);
    case 'compare':
      return reader.compare(job.held, job.source, job.declared);
    case 'check-document':
      return reader.checkDocument(job.source, job.kind);
    case 'document':
      return reader.document(job.source, job.form);
    case 'find':
      return reader.find(job.source, job.key, job.filename);
  }
}
