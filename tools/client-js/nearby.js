/*
 * Owns: one user's session with nearbyd: it stays connected, and knows who is near now.
 * Invariant: `friends` holds whom the server holds near, as far as it was heard; at most one socket
 *   and one timer of each kind exist; after stop() nothing more happens.
 * Does not know: pages, maps, storage. It runs in browsers, and in node with a WebSocket class.
 *
 * After a loss it comes back by itself: at a random time up to a bound that doubles with each
 * failure, so that a server that starts anew is not stormed; or after the delay that the server
 * gave with `reconnect`. It then says again what the server must know: the last location, whom not
 * to show, and asks for the whole list, so that whoever left meanwhile leaves `friends` too.
 */

/** What a server may answer to `subprotocol`. */
const SUBPROTOCOL = 'nearby.v1.json';
/** Closes by the server that a fresh token mends: expired, or the user was deleted. */
const CLOSE_TOKEN = 4401;
/** Broke its rules: coming back at once would not help. */
const CLOSE_POLICY = 1008;
/** Entries on a page of the list. */
const PAGE = 100;

const DEFAULTS = {
  /** Bound of the first wait; doubles with each failure. */
  retryMinMs: 500,
  retryMaxMs: 30000,
  /** A connection that lasted this long was good: the next wait is short again. */
  goodAfterMs: 10000,
  /** Give up an attempt to connect, or the wait for a list. */
  timeoutMs: 15000,
  /** A token is renewed this long before it expires. */
  renewBeforeMs: 60000,
};

/** The `exp` of a JSON Web Token in ms since 1970, or null. It is not verified: the server does that. */
function expiryOf(token) {
  try {
    const part = token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/');
    const { exp } = JSON.parse(atob(part));
    return typeof exp === 'number' ? exp * 1000 : null;
  } catch {
    return null;
  }
}

export class NearbyClient {
  #options;
  #token;
  #handlers = new Map();
  #socket = null;
  #state = 'stopped';
  #failures = 0;
  #openedAt = 0;
  #timers = {};
  #location = null;
  /** What the server calls active, told by `welcome`. */
  #ttlMs = Infinity;
  #muted = new Set();
  #friends = new Map();
  /** While the list is read: users named by its pages and by updates since it was asked for. */
  #listing = null;
  /** Grows with each attempt, so that what an old one still brings is known as such. */
  #attempt = 0;

  /**
   * options.url: ws:// or wss:// of /v1/ws; without one, that of the page's own server.
   * options.token: the token, or a function (may be async) that gives one and is called for each
   *   connection and for each renewal.
   * options.WebSocket: the class to use, where there is no global one.
   * Others: see DEFAULTS.
   */
  constructor(options) {
    this.#options = { ...DEFAULTS, ...options };
    this.#options.WebSocket ??= globalThis.WebSocket;
    if (typeof this.#options.WebSocket !== 'function') {
      throw new TypeError('there is no WebSocket here: give one as options.WebSocket');
    }
    if (this.#options.token === undefined) {
      throw new TypeError('options.token is needed: a token, or a function that gives one');
    }
    this.#options.url ??= globalThis.location?.origin.replace(/^http/, 'ws') + '/v1/ws';
  }

  /** stopped, connecting, open, or waiting (to connect again). */
  get state() {
    return this.#state;
  }

  /** Who is near, by user: the entries of the server, lent. */
  get friends() {
    return this.#friends;
  }

  /**
   * Calls handler(detail) at each event; returns a function that ends this. Events: `state` (the
   * new one), `friends` (nothing: some of them changed), and each message of the server by its type,
   * as it came: `welcome`, `nearby`, `update`, `gone`, `error`, `reconnect`, ...
   * An `error` with the code `token` is the client's own: options.token gave none.
   */
  on(event, handler) {
    const handlers = this.#handlers.get(event) ?? new Set();
    this.#handlers.set(event, handlers.add(handler));
    return () => handlers.delete(handler);
  }

  start() {
    if (this.#state === 'stopped') {
      globalThis.addEventListener?.('online', this.#online);
      this.#connect();
    }
    return this;
  }

  /** Ends the session. Nothing is heard afterwards, and `friends` is empty. */
  stop() {
    globalThis.removeEventListener?.('online', this.#online);
    this.#leave();
    this.#friends.clear();
    this.#become('stopped');
  }

  /** Says where the user is; when there is no connection, as soon as there is one. `ts`: ms, now. */
  locate({ lat, lon, ts = Date.now() }) {
    const isFirst = this.#location === null;
    this.#location = { lat, lon, ts };
    if (this.#state === 'open') {
      this.#say({ type: 'location', lat, lon, ts });
      if (isFirst) this.#list();
    }
  }

  /** No longer hears of this friend, also in connections to come; unmute() takes it back. */
  mute(user) {
    this.#muted.add(user);
    this.#say({ type: 'unsubscribe', user });
    if (this.#friends.delete(user)) this.#emit('friends');
  }

  unmute(user) {
    this.#muted.delete(user);
    if (this.#location !== null) this.#say({ type: 'subscribe', user });
  }

  // ---- the connection ----

  #online = () => {
    if (this.#state === 'waiting') this.#connect();
  };

  #become(state) {
    if (this.#state === state) return;
    this.#state = state;
    this.#emit('state', state);
  }

  #emit(event, detail) {
    for (const handler of this.#handlers.get(event) ?? []) handler(detail);
  }

  #after(name, ms, action) {
    clearTimeout(this.#timers[name]);
    // What is further away than a timer can hold is looked at again then.
    this.#timers[name] = setTimeout(action, Math.min(Math.max(ms, 0), 2 ** 31 - 1));
  }

  /** Lets go of the socket and all timers. */
  #leave() {
    this.#attempt++;
    Object.values(this.#timers).forEach(clearTimeout);
    this.#timers = {};
    this.#listing = null;
    const socket = this.#socket;
    this.#socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.onerror = () => {};
      socket.close();
    }
  }

  async #fetchToken() {
    const { token } = this.#options;
    this.#token = await (typeof token === 'function' ? token() : token);
    if (typeof this.#token !== 'string') throw new TypeError('options.token gave no string');
  }

  async #connect() {
    this.#leave();
    this.#become('connecting');
    const attempt = this.#attempt;
    this.#after('limit', this.#options.timeoutMs, () => this.#lost());
    try {
      await this.#fetchToken();
    } catch (error) {
      if (attempt === this.#attempt) {
        this.#emit('error', { type: 'error', code: 'token', message: String(error) });
        this.#lost();
      }
      return;
    }
    if (attempt !== this.#attempt) return;
    // Browsers cannot set a header here.
    const url = new URL(this.#options.url);
    url.searchParams.set('access_token', this.#token);
    this.#socket = new this.#options.WebSocket(url.href, [SUBPROTOCOL]);
    this.#socket.onmessage = ({ data }) => this.#hear(data);
    this.#socket.onclose = ({ code }) => this.#lost(code);
    this.#socket.onerror = () => {}; // a close follows
  }

  /** The connection is over, or did not come about. */
  #lost(code) {
    const wasGood = this.#openedAt !== 0 && Date.now() - this.#openedAt >= this.#options.goodAfterMs;
    this.#failures = wasGood ? 0 : this.#failures + 1;
    this.#openedAt = 0;
    const { retryMinMs, retryMaxMs } = this.#options;
    const bound = code === CLOSE_POLICY ? retryMaxMs
      : Math.min(retryMaxMs, retryMinMs * 2 ** Math.min(this.#failures, 16));
    this.#wait(code === CLOSE_TOKEN && wasGood ? 0 : Math.random() * bound);
  }

  #wait(ms) {
    this.#leave();
    this.#become('waiting');
    this.#after('retry', ms, () => this.#connect());
  }

  #say(message) {
    if (this.#state === 'open') this.#socket.send(JSON.stringify(message));
  }

  // ---- what the server says ----

  #hear(data) {
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return; // not of this protocol; a later version may say more than we understand
    }
    const attempt = this.#attempt;
    this.#emit(message.type, message);
    // A handler may have stopped us.
    if (attempt === this.#attempt) this.#take(message);
  }

  #take(message) {
    switch (message.type) {
      case 'welcome': return this.#welcome(message);
      case 'nearby': return this.#page(message);
      case 'update': return this.#enter(message.friends);
      case 'gone': return this.#depart(message.friends);
      case 'reconnect': return this.#wait(message.after_ms);
      default: return undefined;
    }
  }

  #welcome({ ttl_s }) {
    clearTimeout(this.#timers.limit);
    this.#ttlMs = ttl_s * 1000;
    this.#openedAt = Date.now();
    this.#become('open');
    this.#planRenewal();
    for (const user of this.#muted) this.#say({ type: 'unsubscribe', user });
    // The server counts a location's age from when it comes: an old one would look like a new one.
    if (this.#location !== null && Date.now() - this.#location.ts > this.#ttlMs) this.#location = null;
    if (this.#location !== null) {
      this.#say({ type: 'location', ...this.#location });
      this.#list();
    } else {
      this.#depart([...this.#friends.values()]);
    }
  }

  #planRenewal() {
    const expiry = expiryOf(this.#token);
    if (expiry !== null && typeof this.#options.token === 'function') {
      this.#after('renewal', expiry - this.#options.renewBeforeMs - Date.now(), () => this.#renew());
    }
  }

  async #renew() {
    const attempt = this.#attempt;
    const before = this.#token;
    try {
      await this.#fetchToken();
    } catch {
      return; // the server will end the session, and the next attempt says why
    }
    if (attempt !== this.#attempt || this.#token === before) return;
    this.#say({ type: 'token', token: this.#token });
    this.#planRenewal();
  }

  // ---- the list ----

  /** The answer to the first location begins the list; the further pages are asked for. */
  #list() {
    this.#listing = new Set();
    this.#after('listing', this.#options.timeoutMs, () => {
      this.#listing = null;
    });
  }

  #page({ friends, next }) {
    this.#enter(friends);
    if (this.#listing === null) return;
    if (next !== null) {
      this.#say({ type: 'nearby', cursor: next, limit: PAGE });
      return;
    }
    clearTimeout(this.#timers.listing);
    const seen = this.#listing;
    this.#listing = null;
    this.#depart([...this.#friends.keys()].filter((user) => !seen.has(user)).map((user) => ({ user })));
  }

  #enter(entries) {
    for (const entry of entries) {
      this.#friends.set(entry.user, entry);
      this.#listing?.add(entry.user);
    }
    if (entries.length > 0) this.#emit('friends');
  }

  #depart(entries) {
    let changed = false;
    for (const { user } of entries) {
      changed = this.#friends.delete(user) || changed;
      this.#listing?.delete(user);
    }
    if (changed) this.#emit('friends');
  }
}
