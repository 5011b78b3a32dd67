// A limit on how long we wait for an answer; the operation itself goes on and its result is then ignored.

/** A wait was longer than its limit. */
export class DeadlineExceeded extends Error {
  readonly code = 'DEADLINE';
}

/** Settles as `operation` does, or rejects with DeadlineExceeded after `limitMs`. The timer never outlives the wait. */
export function withinDeadline<T>(operation: Promise<T>, limitMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      // The event loop may have been the busy one: one turn for an answer that already lies in the socket.
      setImmediate(() => reject(new DeadlineExceeded()));
    }, limitMs);
    operation.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Whether it settles, well or not, in time. Not even looked at when there is none left. */
export async function settlesWithin(settling: Promise<unknown>, ms: number): Promise<boolean> {
  if (ms <= 0) return false;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), ms);
  const settled = () => resolve(true);
  settling.then(settled, settled);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}
