import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UpstreamFailure } from '../../src/errors.ts';
import { requestFields, responseFields } from '../../src/http/forwarded-fields.ts';
import { failureFrom } from '../../src/http/passthrough-failure.ts';

const failing = (code: string) => Object.assign(new Error('secret detail'), { code });

test("Node's error codes become kinds of upstream failure, without Node's message", () => {
  const expected = {
    ENOTFOUND: 'dns',
    EAI_AGAIN: 'dns',
    ECONNREFUSED: 'connect',
    EHOSTUNREACH: 'connect',
    ECONNRESET: 'reset',
    EPIPE: 'reset',
    ETIMEDOUT: 'timeout',
    CERT_HAS_EXPIRED: 'tls',
    SELF_SIGNED_CERT_IN_CHAIN: 'tls',
    DEPTH_ZERO_SELF_SIGNED_CERT: 'tls',
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'tls',
    ERR_TLS_CERT_ALTNAME_INVALID: 'tls',
    EPROTO: 'tls',
    HPE_INVALID_CONSTANT: 'protocol',
  };
  for (const [code, kind] of Object.entries(expected)) {
    const failure = failureFrom(failing(code), false);
    assert.equal(failure.code, `upstream-${kind}`);
    assert.doesNotMatch(failure.message, /secret/);
  }
  assert.equal(failureFrom(new AggregateError([failing('ECONNREFUSED')]), false).code, 'upstream-connect');
  assert.equal(failureFrom(failing('ECONNRESET'), true).code, 'upstream-timeout');
  const own = new UpstreamFailure('forbidden-address', 'ours');
  assert.equal(failureFrom(own, true), own);
});

test('what Connection names is for one hop, but it cannot take the length away', () => {
  const raw = ['Connection', 'X-A, close, Content-Length', 'X-A', '1', 'Content-Length', '5', 'X-B', '2'];
  assert.deepEqual(responseFields(raw, 'raw'), ['Content-Length', '5', 'X-B', '2']);
});

test("an earlier proxy's Via stays before ours", () => {
  assert.deepEqual(requestFields(['Via', '1.1 first'], 'raw', '1.1 wheelkeep'), [
    'Via',
    '1.1 first',
    'Via',
    '1.1 wheelkeep',
  ]);
});
