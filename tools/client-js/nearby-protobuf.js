/*
 * Owns: the messages of nearby.v1.protobuf as bytes, to and from the objects that nearby.v1.json has.
 * Invariant: what it reads is what JSON.parse would have given; fields and messages that it does not
 *   know are passed over, so that a later server may say more.
 * Does not know: sockets, and what a message means. The tables here say what nearby.proto says.
 */

export const subprotocol = 'nearby.v1.protobuf';

const VARINT = 0;
const BYTES = 2;
const FIXED32 = 5;

const MODES = ['default', 'precise', 'approximate', 'off'];
const WHYS = ['unknown', 'far', 'idle', 'off', 'unfriended'];
const WHATS = ['unknown', 'asked', 'added', 'removed'];

// ---- kinds of values: `type` on the wire, `from` and `to` it, `none` for a field that is absent ----

const NUMBER = { type: VARINT, from: Number, to: BigInt, none: 0 };
/** A user may have 63 bits. */
const USER = { type: VARINT, from: String, to: BigInt, none: '0' };
const MILLI = { type: VARINT, from: (raw) => Number(raw) / 1000, none: 0 };
const TIME_OR_NULL = { ...NUMBER, none: null };
const FLAG = { type: VARINT, from: Boolean, to: BigInt };
const DEGREES = { type: FIXED32, from: (raw) => raw / 1e7, to: (value) => Math.round(value * 1e7), none: 0 };
const TEXT = { type: BYTES, from: (bytes) => new TextDecoder().decode(bytes), to: (text) => new TextEncoder().encode(text), none: '' };
const TEXT_OR_NULL = { ...TEXT, none: null };
const oneOf = (names) => ({
  type: VARINT, from: (raw) => names[raw] ?? names[0], to: (name) => BigInt(names.indexOf(name)), none: names[0],
});
const listOf = (fields) => ({ type: BYTES, from: (bytes) => readFields(fields, bytes), isList: true });

// ---- nearby.proto: by number, the name in JSON and the kind ----

const ENTRY = {
  1: ['user', USER], 2: ['name', TEXT], 3: ['lat', DEGREES], 4: ['lon', DEGREES], 5: ['ts', NUMBER],
  6: ['distance_m', MILLI], 7: ['approximate', FLAG],
};
const GONE = { 1: ['user', USER], 2: ['why', oneOf(WHYS)] };
const EXCEPTION = { 1: ['user', USER], 2: ['mode', oneOf(MODES)], 3: ['until', TIME_OR_NULL] };

const SERVER = {
  1: ['welcome', { 1: ['user', USER], 2: ['name', TEXT], 3: ['radius_m', MILLI], 4: ['ttl_s', NUMBER], 5: ['update_s', NUMBER], 6: ['ts', NUMBER] }],
  2: ['nearby', { 1: ['friends', listOf(ENTRY)], 2: ['total', NUMBER], 3: ['next', TEXT_OR_NULL] }],
  3: ['update', { 1: ['friends', listOf(ENTRY)] }],
  4: ['gone', { 1: ['friends', listOf(GONE)] }],
  5: ['error', { 1: ['code', TEXT], 2: ['message', TEXT] }],
  6: ['reconnect', { 1: ['after_ms', NUMBER] }],
  7: ['friend', { 1: ['what', oneOf(WHATS)], 2: ['user', USER], 3: ['name', TEXT] }],
  8: ['sharing', { 1: ['mode', oneOf(MODES)], 2: ['until', TIME_OR_NULL], 3: ['friends', listOf(EXCEPTION)] }],
  9: ['strangers', { 1: ['people', listOf(ENTRY)] }],
  10: ['strangers_gone', { 1: ['people', listOf(GONE)] }],
};

const CLIENT = {
  1: ['location', { 1: ['lat', DEGREES], 2: ['lon', DEGREES], 3: ['ts', NUMBER] }],
  2: ['nearby', { 1: ['limit', NUMBER], 2: ['cursor', TEXT] }],
  3: ['subscribe', { 1: ['user', USER] }],
  4: ['unsubscribe', { 1: ['user', USER] }],
  5: ['token', { 1: ['token', TEXT] }],
  6: ['sharing', { 1: ['mode', oneOf(MODES)], 2: ['until', NUMBER], 3: ['user', USER] }],
  7: ['strangers', { 1: ['on', FLAG] }],
};

// ---- reading ----

/** At `at`: the number, as a BigInt where 53 bits may not hold it, and where it ends. */
function readVarint(bytes, at) {
  let low = 0;
  let high = 0n;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[at++];
    if (byte === undefined) break;
    if (i < 7) low += (byte & 0x7f) * 2 ** (7 * i);
    else high |= BigInt(byte & 0x7f) << BigInt(7 * i);
    if (byte < 0x80) return [high ? BigInt.asIntN(64, high + BigInt(low)) : low, at];
  }
  throw new RangeError('a number without an end');
}

/** The fields of a message one after the other, as { number, type, raw }. */
function* fieldsOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length;) {
    let tag;
    let raw;
    [tag, at] = readVarint(bytes, at);
    const type = tag % 8;
    if (type === VARINT) {
      [raw, at] = readVarint(bytes, at);
    } else if (type === BYTES) {
      let length;
      [length, at] = readVarint(bytes, at);
      if (length > bytes.length - at) throw new RangeError('longer than its message');
      raw = bytes.subarray(at, at += length);
    } else if (type === FIXED32) {
      raw = view.getInt32(at, true);
      at += 4;
    } else if (type === 1) {
      at += 8;
    } else {
      throw new RangeError(`no type of a field: ${type}`);
    }
    yield { number: Math.floor(tag / 8), type, raw };
  }
}

function readFields(fields, bytes) {
  const message = {};
  for (const [name, kind] of Object.values(fields)) {
    if (kind.isList) message[name] = [];
    else if (kind.none !== undefined) message[name] = kind.none;
  }
  for (const { number, type, raw } of fieldsOf(bytes)) {
    const [name, kind] = fields[number] ?? [];
    if (kind?.type !== type) continue;
    if (kind.isList) message[name].push(kind.from(raw));
    else message[name] = kind.from(raw);
  }
  return message;
}

/** A message of the server, from an ArrayBuffer; null when it is none that is known here. Throws at what is cut off. */
export function decode(buffer) {
  for (const { number, type, raw } of fieldsOf(new Uint8Array(buffer))) {
    const [name, fields] = SERVER[number] ?? [];
    if (fields && type === BYTES) return { type: name, ...readFields(fields, raw) };
  }
  return null;
}

// ---- writing ----

function varint(value) {
  const bytes = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return bytes;
}

function field(number, type, value) {
  const head = varint(number * 8 + type);
  if (type === VARINT) return [...head, ...varint(value)];
  if (type === BYTES) return [...head, ...varint(value.length), ...value];
  return [...head, value & 0xff, value >> 8 & 0xff, value >> 16 & 0xff, value >> 24 & 0xff];
}

/** A message of the client; what it does not have is left out. */
export function encode(message) {
  const [number, [, fields]] = Object.entries(CLIENT).find(([, [name]]) => name === message.type);
  const content = Object.entries(fields)
    .filter(([, [name]]) => message[name] !== undefined)
    .flatMap(([inner, [name, kind]]) => field(Number(inner), kind.type, kind.to(message[name])));
  return Uint8Array.from(field(Number(number), BYTES, content));
}
