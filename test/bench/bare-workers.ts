// Bare servers on one port: what the runtime itself pays for a second process. Every one is told what to learn.

import cluster from 'node:cluster';
import { fileURLToPath } from 'node:url';
import type { BareQuestion } from './bare-server.ts';
import { answerParent, ask } from './child-calls.ts';

const WORKERS = 2;

// As Wheelkeep has it: connections come from one queue of the system.
cluster.schedulingPolicy = cluster.SCHED_NONE;
cluster.setupPrimary({ exec: fileURLToPath(new URL('./bare-server.ts', import.meta.url)) });
const workers = Array.from({ length: WORKERS }, () => cluster.fork().process);

answerParent<BareQuestion>(async (question) => {
  // All are given the same port.
  const [first] = await Promise.all(workers.map((worker) => ask(worker, question)));
  return first;
});
