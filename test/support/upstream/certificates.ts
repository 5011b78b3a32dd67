// X.509 certificates made on the spot, so that tests can hold an expired one, a wrong name and an unknown authority
// without keys in the repository. Just enough DER (X.690) and RFC 5280 for Node, Python and rustls to accept them.

import { createSign, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import type { Identity } from './fake-server.ts';

/** An authority that tests trust, or do not. */
export interface Authority {
  /** The certificate in PEM, to be trusted. */
  readonly cert: string;
  /** Issues an identity for host names and IP addresses; valid from yesterday for a year unless told otherwise. */
  issue(names: readonly string[], validity?: { readonly notBefore?: Date; readonly notAfter?: Date }): Identity;
}

const DAY_MS = 86_400_000;

export function certificateAuthority(): Authority {
  // Every authority has its own name: two of one name and different keys are told apart by a broken signature only.
  const name = `Test authority ${randomBytes(4).toString('hex')}`;
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const isAuthority = extension('551d13', sequence(tlv(0x01, Buffer.from([0xff]))));
  const maySign = extension('551d0f', tlv(0x03, Buffer.from([0x01, 0x06])));
  const keyUsages = Buffer.concat([isAuthority, maySign]);
  const cert = signed(privateKey, name, name, publicKey, keyUsages, new Date(Date.now() - DAY_MS), daysFromNow(365));
  return {
    cert,
    issue: (names, { notBefore = daysFromNow(-1), notAfter = daysFromNow(365) } = {}) => {
      const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const alternatives = extension('551d11', sequence(...names.map(generalName)));
      const leaf = signed(privateKey, name, names[0]!, keys.publicKey, alternatives, notBefore, notAfter);
      return { key: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), cert: leaf };
    },
  };
}

const ECDSA_WITH_SHA256 = sequence(objectId('2a8648ce3d040302'));

/** RFC 5280 4.1: the part to be signed, the algorithm, the signature. */
function signed(
  issuerKey: KeyObject,
  issuer: string,
  subject: string,
  publicKey: KeyObject,
  extensions: Buffer,
  notBefore: Date,
  notAfter: Date,
): string {
  const content = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    // A serial number is positive: the leading 1 keeps its sign bit clear.
    tlv(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ECDSA_WITH_SHA256,
    commonName(issuer),
    sequence(time(notBefore), time(notAfter)),
    commonName(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    tlv(0xa3, sequence(extensions)),
  );
  const signature = createSign('sha256').update(content).sign(issuerKey);
  const der = sequence(content, ECDSA_WITH_SHA256, tlv(0x03, Buffer.concat([Buffer.from([0]), signature])));
  const lines = der.toString('base64').match(/.{1,64}/g)!;
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function commonName(name: string): Buffer {
  return sequence(tlv(0x31, sequence(objectId('550403'), tlv(0x0c, Buffer.from(name)))));
}

/** UTCTime, which RFC 5280 4.1.2.5.1 prescribes until 2049. */
function time(date: Date): Buffer {
  return tlv(0x17, Buffer.from(`${date.toISOString().slice(2, 19).replace(/[-:T]/g, '')}Z`));
}

function generalName(name: string): Buffer {
  if (isIP(name) === 4) return tlv(0x87, Buffer.from(name.split('.').map(Number)));
  if (name === '::1') return tlv(0x87, Buffer.concat([Buffer.alloc(15), Buffer.from([1])]));
  return tlv(0x82, Buffer.from(name));
}

function extension(idHex: string, value: Buffer): Buffer {
  return sequence(objectId(idHex), tlv(0x04, value));
}

function objectId(hex: string): Buffer {
  return tlv(0x06, Buffer.from(hex, 'hex'));
}

function sequence(...parts: Buffer[]): Buffer {
  return tlv(0x30, Buffer.concat(parts));
}

/** Tag, length, value; lengths up to 65,535. */
function tlv(tag: number, value: Buffer): Buffer {
  const { length } = value;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), value]);
}

function daysFromNow(days: number): Date {
  return new Date(Date.now() + days * DAY_MS);
}
