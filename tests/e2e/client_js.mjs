/*
 * Owns: the JavaScript client at work in node: commands in, one JSON line each, events out.
 * Does not know: what is tested.
 */
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { NearbyClient } from '../../tools/client-js/nearby.js';

// Debian's.
const WebSocket = createRequire(import.meta.url)('/usr/share/nodejs/ws');
let client;
let tokens = [];

const say = (event, detail) => console.log(JSON.stringify({ event, detail }));
const list = () => [...client.friends.values()].sort((a, b) => a.user - b.user);

const commands = {
  start({ options, tokens: all }) {
    tokens = all;
    // One after the other; the last stays.
    const token = () => (tokens.length > 1 ? tokens.shift() : tokens[0]);
    client = new NearbyClient({ WebSocket, token, ...options });
    for (const event of ['state', 'welcome', 'update', 'gone', 'error', 'reconnect']) {
      client.on(event, (detail) => say(event, detail));
    }
    client.on('friends', () => say('friends', list()));
    client.start();
  },
  tokens({ tokens: all }) {
    tokens = all;
  },
  locate: ({ lat, lon, ts }) => client.locate({ lat, lon, ts }),
  mute: ({ user }) => client.mute(user),
  unmute: ({ user }) => client.unmute(user),
  stop: () => client.stop(),
  friends: () => say('list', list()),
};

const input = createInterface({ input: process.stdin });
input.on('line', (line) => {
  const { command, ...rest } = JSON.parse(line);
  commands[command](rest);
});
input.on('close', () => client?.stop());
