// The bench's handle on its upstream.

import { ask } from '../child-calls.ts';
import type { Stage } from '../stage.ts';
import type { Shape, UpstreamQuestion } from './upstream-server.ts';

export interface Upstream {
  /** Without a final slash. */
  readonly origin: string;
  /** From now on, answers to requests whose path contains `shape.part`. */
  shape(shape: Shape): Promise<void>;
  /** Requests so far whose path contains the part. */
  count(part: string): Promise<number>;
}

export async function startUpstream(stage: Stage): Promise<Upstream> {
  const child = stage.fork(new URL('./upstream-server.ts', import.meta.url));
  const question = <Value>(value: UpstreamQuestion) => ask<Value>(child, value);
  return {
    origin: await question<string>({ kind: 'listen' }),
    shape: (shape) => question({ kind: 'shape', shape }),
    count: (part) => question({ kind: 'count', part }),
  };
}
