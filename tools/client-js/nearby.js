/*
 * Owns: one user's session with nearbyd: it stays connected, and knows who is near now.
 * Invariant: `friends` and `people` hold whom the server holds near, as far as it was heard; what was
 *   asked of sharing is said again until the server has answered; at most one socket and one timer of
 *   each kind exist; after stop() nothing more happens.
 * Does not know: pages, maps, storage. It runs in browsers, and in node with a WebSocket class.
 *
 * After a loss it comes back by itself: at a random time up to a bound that doubles with each
 * failure, so that a server that starts anew is not stormed; or after the delay that the server
 * gave with `reconnect`. It then says again what the server must know: the last location, whom not
 * to show, whether strangers are wanted, and asks for the whole list, so that whoever left meanwhile
 * leaves `friends` too. What is shared the server keeps.
 */

/** How messages are written, by options.protocol; the other one is fetched when it is asked for. */
const CODECS = {
  json: () => ({ subprotocol: 'nearby.v1.json', encode: JSON.stringify, decode: JSON.parse }),
  protobuf: () => import('./nearby-protobuf.js'),
};
/** Closes by the server that a fresh token mends: expired, or the user was deleted. */
const CLOSE_TOKEN = 4401;
/** Broke its rules: coming back at once would not help. */
const CLOSE_POLICY = 1008;
/** Entries on a page of the list. */
const PAGE = 100;

/** What a server may say against a change of sharing. */
const REFUSALS = ['bad_field', 'not_friend', 'full', 'unavailable'];

const DEFAULTS = {
  protocol: 'json',
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
  #wantsStrangers = false;
  #people = new Map();
  /** Whether the next `strangers` is the whole list. */
  #isNewCrowd = false;
  /** Changes of sharing that the server has not answered: by friend, by '' for everybody; oldest first. */
  #wishes = new Map();
  #codec;
  /** While the list is read: users named by its pages and by updates since it was asked for. */
  #listing = null;
  /** Grows with each attempt, so that what an old one still brings is known as such. */
  #attempt = 0;

  /**
   * options.url: ws:// or wss:// of /v1/ws; without one, that of the page's own server.
   * options.token: the token, or a function (may be async) that gives one and is called for each
   *   connection and for each renewal.
   * options.WebSocket: the class to use, where there is no global one.
   * options.protocol: json, or protobuf: fewer bytes, by nearby-protobuf.js beside this file.
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
    if (!Object.hasOwn(CODECS, this.#options.protocol)) {
      throw new TypeError('options.protocol is json or protobuf');
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

  /** Strangers who are near and want to be seen, likewise; none unless strangers(true). */
  get people() {
    return this.#people;
  }

  /**
   * Calls handler(detail) at each event; returns a function that ends this. Events: `state` (the
   * new one), `friends` and `people` (nothing: some of them changed), and each message of the server
   * by its type, as it came: `welcome`, `nearby`, `update`, `gone`, `friend`, `sharing`, `strangers`,
   * `strangers_gone`, `error`, `reconnect`.
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
    this.#people.clear();
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

  /**
   * What everybody sees of me from now on: `precise`, `approximate` or `off`; with `user` an exception
   * for this friend, which `default` takes away. After `until` (ms since 1970) it is `off`. Without
   * a mode it asks what holds. The event `sharing` brings the answer: the whole state.
   * Without a connection it is said as soon as there is one, before any location.
   */
  sharing(mode, { until, user } = {}) {
    if (mode === undefined) {
      this.#say({ type: 'sharing' });
      return;
    }
    // Off for everybody ends the exceptions, also those that were not said yet.
    if (mode === 'off' && user === undefined) this.#wishes.clear();
    this.#wishes.delete(user ?? '');
    // Off is off for ever.
    const wish = { type: 'sharing', mode, until: mode === 'off' ? undefined : until, user };
    this.#wishes.set(user ?? '', wish);
    this.#say(wish);
  }

  /** Whether this session sees strangers and its user is seen by them; holds in connections to come. */
  strangers(isOn) {
    if (isOn === this.#wantsStrangers) return;
    this.#wantsStrangers = isOn;
    this.#isNewCrowd = isOn;
    this.#say({ type: 'strangers', on: isOn });
    if (!isOn) this.#forgetPeople();
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
      this.#codec = await CODECS[this.#options.protocol]();
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
    this.#socket = new this.#options.WebSocket(url.href, [this.#codec.subprotocol]);
    this.#socket.binaryType = 'arraybuffer';
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
    if (this.#state === 'open') this.#socket.send(this.#codec.encode(message));
  }

  // ---- what the server says ----

  #hear(data) {
    let message;
    try {
      message = this.#codec.decode(data);
    } catch {
      // Not of this protocol.
    }
    if (!message) return; // a later version may say more than we understand
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
      case 'sharing': return this.#fulfil(message);
      case 'strangers': return this.#meet(message.people);
      case 'strangers_gone': return this.#part(message.people);
      case 'error': return this.#refused(message.code);
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
    this.#sayWishes();
    for (const user of this.#muted) this.#say({ type: 'unsubscribe', user });
    this.#isNewCrowd = this.#wantsStrangers;
    if (this.#wantsStrangers) this.#say({ type: 'strangers', on: true });
    // The server counts a location's age from when it comes: an old one would look like a new one.
    if (this.#location !== null && Date.now() - this.#location.ts > this.#ttlMs) this.#location = null;
    if (this.#location !== null) {
      this.#say({ type: 'location', ...this.#location });
      this.#list();
    } else {
      this.#depart([...this.#friends.values()]);
    }
  }

  // ---- what I share ----

  /** Before the location, so that nobody sees what was taken back. */
  #sayWishes() {
    for (const wish of this.#wishes.values()) {
      if (wish.until <= Date.now()) {
        wish.mode = 'off';
        delete wish.until;
      }
      this.#say(wish);
    }
  }

  /** What the state shows was heard. */
  #fulfil({ mode, until, friends }) {
    for (const [user, wish] of this.#wishes) {
      const now = user === '' ? { mode, until } : friends.find((friend) => friend.user === user) ?? { mode: 'default' };
      if (now.mode === wish.mode && (now.until ?? undefined) === wish.until) this.#wishes.delete(user);
    }
  }

  /** Answers come in the order of what was said. */
  #refused(code) {
    if (REFUSALS.includes(code)) this.#wishes.delete(this.#wishes.keys().next().value);
  }

  // ---- strangers ----

  #meet(entries) {
    if (!this.#wantsStrangers) return; // was on its way
    if (this.#isNewCrowd) this.#people.clear();
    for (const entry of entries) this.#people.set(entry.user, entry);
    if (entries.length > 0 || this.#isNewCrowd) this.#emit('people');
    this.#isNewCrowd = false;
  }

  #part(entries) {
    const gone = entries.filter(({ user }) => this.#people.delete(user));
    if (gone.length > 0) this.#emit('people');
  }

  #forgetPeople() {
    if (this.#people.size === 0) return;
    this.#people.clear();
    this.#emit('people');
  }

  // ---- tokens ----

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
