/*
 * Owns: the JavaScript client at work in node: commands in, one JSON line each, events out.
 * Does not know: what is tested.
 */
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { NearbyClient } from '../../tools/client-js/nearby.js';
import { decode } from '../../tools/client-js/nearby-protobuf.js';

// Debian's.
const WebSocket = createRequire(import.meta.url)('/usr/share/nodejs/ws');
let client;
let tokens = [];

const say = (event, detail) => console.log(JSON.stringify({ event, detail }));
const sorted = (entries) => [...entries.values()].sort((a, b) => a.user - b.user);
const list = () => sorted(client.friends);
const EVENTS = ['state', 'welcome', 'nearby', 'update', 'gone', 'friend', 'sharing', 'strangers', 'strangers_gone',
  'error', 'reconnect'];

function decoded(hex) {
  try {
    return decode(Uint8Array.from(Buffer.from(hex, 'hex')).buffer);
  } catch (error) {
    return String(error);
  }
}

const commands = {
  start({ options, tokens: all }) {
    tokens = all;
    // One after the other; the last stays.
    const token = () => (tokens.length > 1 ? tokens.shift() : tokens[0]);
    client = new NearbyClient({ WebSocket, token, ...options });
    for (const event of EVENTS) client.on(event, (detail) => say(event, detail));
    client.on('friends', () => say('friends', list()));
    client.on('people', () => say('people', sorted(client.people)));
    client.start();
  },
  tokens({ tokens: all }) {
    tokens = all;
  },
  locate: ({ lat, lon, ts }) => client.locate({ lat, lon, ts }),
  mute: ({ user }) => client.mute(user),
  unmute: ({ user }) => client.unmute(user),
  sharing: ({ mode, until, user }) => client.sharing(mode, { until, user }),
  strangers: ({ on }) => client.strangers(on),
  decode: ({ hex }) => say('decoded', decoded(hex)),
  stop: () => client.stop(),
  friends: () => say('list', list()),
};

const input = createInterface({ input: process.stdin });
input.on('line', (line) => {
  const { command, ...rest } = JSON.parse(line);
  commands[command](rest);
});
input.on('close', () => client?.stop());
