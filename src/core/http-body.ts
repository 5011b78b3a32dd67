// Bodies that are read whole into memory before anything is said about them.

import { UpstreamFailure } from './errors.ts';
import { fieldValue, type IncomingResponse, type ResponseHead } from './http-message.ts';
import { joined } from './large-bytes.ts';

/** The announced length in bytes; undefined when there is none or it is no number. */
export function contentLength(response: ResponseHead): number | undefined {
  const text = fieldValue(response.fields, 'content-length');
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** All bytes of the body. Rejects with an UpstreamFailure when they are too many or cut short. */
export async function collect(response: IncomingResponse, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let received = 0;
  for await (const chunk of response.body as AsyncIterable<Buffer>) {
    received += chunk.length;
    if (received > maxBytes) {
      response.body.destroy();
      throw new UpstreamFailure('too-large', `The body is larger than the limit of ${maxBytes} bytes.`);
    }
    chunks.push(chunk);
  }
  const announced = contentLength(response);
  if (announced !== undefined && announced !== received) {
    throw new UpstreamFailure('reset', `Upstream sent ${received} bytes instead of ${announced}.`);
  }
  return joined(chunks, received);
}
