// What every answer that carries bytes of a distribution file says of them, whoever vouches for them.

/** They are never shown or run by a browser, whatever their name (S24). */
export function contentFields(): string[] {
  return [
    'content-type',
    'application/octet-stream',
    'accept-ranges',
    'bytes',
    'x-content-type-options',
    'nosniff',
    'content-security-policy',
    "default-src 'none'",
  ];
}
