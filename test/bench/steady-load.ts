// Requests at a fixed rate, whether or not earlier ones were answered. A waiting time counts from the moment the
// request was due, so a server that stalls is charged for all who would have come meanwhile: no coordinated omission.

import { Agent, get } from 'node:http';

export interface SteadyLoad {
  /** Asked in turn. */
  readonly urls: readonly string[];
  readonly fields: Readonly<Record<string, string>>;
  readonly perSecond: number;
  readonly seconds: number;
  /** Whose connections are used; else they are opened for this load. */
  readonly agent?: Agent;
}

/** Milliseconds that each request waited for the last byte of its answer. Rejects when any was not 200. */
export async function steadyLoad({ urls, fields, perSecond, seconds, agent: given }: SteadyLoad): Promise<number[]> {
  const agent = given ?? new Agent({ keepAlive: true });
  const count = Math.round(perSecond * seconds);
  const startedAt = performance.now();
  const waits: Promise<number>[] = [];
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      while (waits.length < count) {
        const dueAt = startedAt + (waits.length * 1000) / perSecond;
        if (dueAt > performance.now()) return;
        const answer = answered(urls[waits.length % urls.length]!, fields, agent);
        const wait = answer.then(() => performance.now() - dueAt);
        // Told by Promise.all below, when the last request is under way.
        wait.catch(() => {});
        waits.push(wait);
      }
      clearInterval(timer);
      resolve();
    }, 1);
  });
  try {
    return await Promise.all(waits);
  } finally {
    if (given === undefined) agent.destroy();
  }
}

function answered(url: string, headers: Readonly<Record<string, string>>, agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    get(url, { headers, agent }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`${url} was answered ${response.statusCode}`));
      response.resume().on('end', resolve).on('error', reject);
    }).on('error', reject);
  });
}
