/** A friend or a stranger who is near, as the server says it. */
export interface Entry {
  /** A decimal number; a string, since it may have 63 bits. */
  user: string;
  /** Empty where there is none, and for strangers. */
  name: string;
  /** Degrees. */
  lat: number;
  lon: number;
  /** When their phone was there, ms since 1970. */
  ts: number;
  /** From my last location, great circle. */
  distance_m: number;
  /** The place is one of a grid of about 1 km; absent when it is the true one. */
  approximate?: true;
}

/** Why somebody is near no more; `unknown`: a reason that came after this client. */
export type Why = 'far' | 'idle' | 'off' | 'unfriended' | 'unknown';

export type Mode = 'precise' | 'approximate' | 'off';

/** What I share: what everybody sees, and the exceptions for single friends. */
export interface Sharing {
  mode: Mode;
  /** ms since 1970: it is `off` afterwards; null: for ever. */
  until: number | null;
  friends: { user: string; mode: Mode; until: number | null }[];
}

export type State = 'stopped' | 'connecting' | 'open' | 'waiting';

/** What each event brings. Other messages of the server come by their type, as they are. */
export interface Events {
  state: State;
  friends: undefined;
  people: undefined;
  welcome: {
    type: 'welcome';
    user: string;
    name: string;
    radius_m: number;
    ttl_s: number;
    /** How often to send a location. */
    update_s: number;
    ts: number;
  };
  nearby: { type: 'nearby'; friends: Entry[]; total: number; next: string | null };
  update: { type: 'update'; friends: Entry[] };
  gone: { type: 'gone'; friends: { user: string; why: Why }[] };
  /** Somebody asked me; a friendship holds; it ended, or the ask was withdrawn or declined. */
  friend: { type: 'friend'; what: 'asked' | 'added' | 'removed' | 'unknown'; user: string; name: string };
  sharing: Sharing & { type: 'sharing' };
  strangers: { type: 'strangers'; people: Entry[] };
  strangers_gone: { type: 'strangers_gone'; people: { user: string; why: Why }[] };
  error: { type: 'error'; code: string; message: string };
  reconnect: { type: 'reconnect'; after_ms: number };
}

export interface Options {
  /** ws:// or wss:// of /v1/ws; without one, that of the page's own server. */
  url?: string;
  /** A JSON Web Token, or a function that gives one for each connection and each renewal. */
  token: string | (() => string | Promise<string>);
  /** How messages are written: json, or protobuf, which nearby-protobuf.js beside this file knows. json. */
  protocol?: 'json' | 'protobuf';
  /** The class to use where there is no global one. */
  WebSocket?: unknown;
  /** Bound of the first wait for another attempt; it doubles with each failure. 500. */
  retryMinMs?: number;
  /** 30000. */
  retryMaxMs?: number;
  /** A connection that lasted this long was good: the next wait is short again. 10000. */
  goodAfterMs?: number;
  /** Give up an attempt to connect, or the wait for a list. 15000. */
  timeoutMs?: number;
  /** A token is renewed this long before it expires, when `token` is a function. 60000. */
  renewBeforeMs?: number;
}

/** One user's session with nearbyd, which comes back by itself. */
export class NearbyClient {
  constructor(options: Options);
  readonly state: State;
  /** Who is near, by user; changes with each `friends` event. */
  readonly friends: ReadonlyMap<string, Entry>;
  /** Strangers near, by user, while they are wanted; changes with each `people` event. */
  readonly people: ReadonlyMap<string, Entry>;
  /** Calls the handler at each event; returns a function that ends this. */
  on<E extends keyof Events>(event: E, handler: (detail: Events[E]) => void): () => void;
  on(event: string, handler: (detail: unknown) => void): () => void;
  start(): this;
  /** Ends the session; `friends` and `people` are empty then. */
  stop(): void;
  /** Where I am; said as soon as there is a connection. `ts`: ms since 1970, now without it. */
  locate(location: { lat: number; lon: number; ts?: number }): void;
  /** Hear no more of this friend, in connections to come too. */
  mute(user: string): void;
  unmute(user: string): void;
  /** Asks for the event `sharing`. */
  sharing(): void;
  /** What everybody sees of me from now on; `until`: ms since 1970, then it is off. */
  sharing(mode: Mode, options?: { until?: number }): void;
  /** What this friend sees instead; `default` takes the exception away. */
  sharing(mode: Mode | 'default', options: { user: string; until?: number }): void;
  /** See strangers and be seen by them, or no more, in connections to come too. */
  strangers(isOn: boolean): void;
}
