// Questions to a forked module and its answers, over Node's IPC channel.

import type { ChildProcess } from 'node:child_process';

interface Question {
  readonly number: number;
  readonly value: unknown;
}

interface Reply {
  readonly number: number;
  readonly value?: unknown;
  readonly error?: string;
}

let asked = 0;

/** Asks the child; rejects with the error that its handler threw, or when the child ends first. */
export function ask<Value>(child: ChildProcess, value: unknown): Promise<Value> {
  const number = ++asked;
  return new Promise((resolve, reject) => {
    const settle = (reply: Reply) => {
      if (reply.number !== number) return;
      done();
      if (reply.error === undefined) resolve(reply.value as Value);
      else reject(new Error(reply.error));
    };
    const ended = () => {
      done();
      reject(new Error('a process of the bench ended before it answered'));
    };
    const done = () => child.off('message', settle).off('exit', ended);
    child.on('message', settle).on('exit', ended);
    child.send({ number, value } satisfies Question);
  });
}

/** In the child: answers every question by the handler. The process ends with its parent. */
export function answerParent<Value>(handler: (value: Value) => unknown): void {
  process.on('disconnect', () => process.exit());
  process.on('message', async ({ number, value }: Question) => {
    const reply = await Promise.resolve(value as Value)
      .then(handler)
      .then(
        (answer): Reply => ({ number, value: answer }),
        (error): Reply => ({ number, error: String(error) }),
      );
    process.send!(reply);
  });
}
