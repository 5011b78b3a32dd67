// The thread that reads and renders large pages; see page-pool.ts.

import { getHeapStatistics } from 'node:v8';
import { parentPort, workerData } from 'node:worker_threads';
import { InvalidPage } from '../pages/invalid-page.ts';
import { PageReader, type ReaderLimits } from '../pages/page-reader.ts';
import type { JobReply, PageJob } from './page-pool.ts';

/** The last few giant pages stay parsed: a check is followed by renderings and by requests for files. */
const PARSED_BYTES = 48 * 1024 * 1024;

const reader = new PageReader(workerData as ReaderLimits, PARSED_BYTES);
const port = parentPort!;

port.on('message', ({ id, job }: { readonly id: number; readonly job: PageJob }) => {
  const reply = replyTo(id, job);
  port.postMessage(reply, handedOver(reply));
});

/** What is rendered is nobody else's: it changes hands and is not copied. */
function handedOver(reply: JobReply): ArrayBuffer[] {
  const result = 'result' in reply ? reply.result : undefined;
  const isWhole = result instanceof Uint8Array && result.byteLength === result.buffer.byteLength;
  return isWhole ? [result.buffer as ArrayBuffer] : [];
}

function replyTo(id: number, job: PageJob): JobReply {
  try {
    const result = perform(job);
    return { id, memoryBytes: occupied(), result };
  } catch (error) {
    const invalid = error instanceof InvalidPage;
    return { id, memoryBytes: occupied(), problem: (error as Error).message, invalid };
  }
}

/** By this thread alone. */
function occupied(): number {
  const { total_heap_size, external_memory } = getHeapStatistics();
  return total_heap_size + external_memory;
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
      return reader.compare(job.held, job.source, job.declared, job.wanted);
    case 'kept':
      return reader.kept(job.source, job.filenames);
    case 'check-document':
      return reader.checkDocument(job.source, job.kind);
    case 'document':
      return reader.document(job.source, job.form);
    case 'screen':
      return reader.screen(job.source, job.view, job.ages, job.now);
    case 'find':
      return reader.find(job.source, job.key, job.filename);
  }
}
