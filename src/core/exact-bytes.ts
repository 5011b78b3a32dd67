// Bytes that are kept, in memory of their own. Node cuts small buffers out of slabs of 64 KB: one that is kept keeps
// its whole slab, and a budget in bytes then means nothing.

/** What one of them takes beside its bytes: half of it V8's objects and the place in a map, half the allocator's. */
export const KEPT_OVERHEAD_BYTES = 800;

/** The same bytes; copied when they are part of something much larger. */
export function exactBytes(bytes: Buffer): Buffer {
  if (bytes.buffer.byteLength <= bytes.length * 1.25) return bytes;
  const own = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(own);
  return own;
}
