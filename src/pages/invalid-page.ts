// The one failure of the page readers. It says why a body is no index page; who catches it keeps the last good copy,
// or answers 502 when there is none. It is no ProxyError: readers do not know whether a copy exists.

/** A body that must not be stored or served as an index page; `message` is the reason, for logs and events. */
export class InvalidPage extends Error {
  override readonly name = 'InvalidPage';
}
