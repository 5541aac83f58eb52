/*
 * Owns: the page around the map: what I share, who asks me, the lists, moving, who and where I am.
 * Invariant: shows what the client holds and the server has answered, nothing else; no library, no
 *   picture, no other server.
 * Does not know: how the session is kept up (nearby.js), how the map is drawn (map.js).
 *
 * The address may say who and where: #token=JWT&at=LAT,LON. What stands behind # is never sent.
 */
import { NearbyClient } from './nearby.js';
import { LiveMap, colour, initial, miles, moved, nameOf } from './map.js';

const PAGE = 20;
const SEND_MS = 200;
const STEP_M = 200;
const NEWS_MS = 6000;
const SVG = 'http://www.w3.org/2000/svg';

const $ = (id) => document.getElementById(id);
const map = new LiveMap($('map'));
let client = null;
let token = '';
/** What I share, as the server said last. */
let sharing = null;
let updateMs = 30000;
let pageSize = PAGE;
/** Whether who comes is news: it is not on the first list. */
let isListed = false;
/** Whether the server has ever welcomed this token. */
let isWelcome = false;
let lastSent = 0;
let sendTimer = 0;
/** Grows with each question who asks me. */
let askCount = 0;

function tell(text) {
  const line = document.createElement('p');
  line.textContent = text;
  $('news').append(line);
  setTimeout(() => line.remove(), NEWS_MS);
  while ($('news').children.length > 3) $('news').firstChild.remove();
}

/** The HTTP API in my name; null where the server cannot be reached. */
async function api(method, path) {
  try {
    return await fetch(path, { method, headers: { Authorization: `Bearer ${token}` } });
  } catch {
    return null;
  }
}

// ---- parts of the lists ----

function part(tag, text, className = '') {
  const element = document.createElement(tag);
  element.textContent = text;
  element.className = className;
  return element;
}

function drawn(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function badge(entry, isStranger = false) {
  const svg = drawn('svg', { viewBox: '0 0 36 36', 'aria-hidden': true });
  const tint = isStranger ? 'var(--stranger)' : colour(entry.user);
  svg.append(drawn('circle', { cx: 18, cy: 18, r: 18, fill: tint, stroke: tint, 'stroke-width': 0, 'stroke-opacity': 0.3 }));
  if (!isStranger) {
    const letter = drawn('text', { x: 18, y: 23.5 });
    letter.textContent = initial(entry);
    svg.append(letter);
  }
  return svg;
}

function age(ts) {
  const s = Math.max(0, Math.round((Date.now() - ts) / 1000));
  if (s < 5) return 'now';
  return s < 60 ? `${s} s ago` : `${Math.round(s / 60)} min ago`;
}

const count = (n, one, many) => `${n} ${n === 1 ? one : many}`;

/** What this friend sees of me, when it is not what everybody does. */
const exceptionOf = (user) => sharing?.friends.find((friend) => friend.user === user)?.mode ?? 'default';
const SEES = { precise: 'sees you precisely', approximate: 'sees you by 1 km', off: 'does not see you' };
const MENU = { default: 'As everybody', precise: 'Precise', approximate: 'Approximate', off: 'Hidden' };

function newMenu(entry) {
  const menu = document.createElement('select');
  menu.title = menu.ariaLabel = `What ${nameOf(entry)} sees of you`;
  for (const [mode, text] of Object.entries(MENU)) menu.add(new Option(text, mode));
  menu.addEventListener('change', () => client.sharing(menu.value, { user: entry.user }));
  return menu;
}

function newRow(entry, isStranger) {
  const button = document.createElement('button');
  button.type = 'button';
  button.append(badge(entry, isStranger), part('b', ''), part('span', '', 'away'), part('small', ''));
  const item = document.createElement('li');
  item.dataset.user = entry.user;
  item.append(button);
  if (!isStranger) item.append(newMenu(entry));
  return item;
}

function fill(item, entry, isStranger) {
  const [icon, name, away, when] = item.firstChild.children;
  const exception = exceptionOf(entry.user);
  icon.classList.toggle('vague', !!entry.approximate);
  name.textContent = isStranger ? 'Somebody' : nameOf(entry);
  away.textContent = `${entry.approximate ? '~ ' : ''}${miles(entry.distance_m)}`;
  when.textContent = [age(entry.ts), !isStranger && SEES[exception]].filter(Boolean).join(' · ');
  item.firstChild.setAttribute('aria-pressed', entry.user === map.chosen);
  const menu = item.children[1];
  if (menu && document.activeElement !== menu) menu.value = exception;
}

/** One row a person, nearest first, kept by user so that the focus stays where it is. */
function fillList(list, entries, isStranger) {
  const rows = new Map([...list.children].map((item) => [item.dataset.user, item]));
  entries.forEach((entry, i) => {
    const item = rows.get(entry.user) ?? newRow(entry, isStranger);
    rows.delete(entry.user);
    fill(item, entry, isStranger);
    if (list.children[i] !== item) list.insertBefore(item, list.children[i] ?? null);
  });
  rows.forEach((item) => item.remove());
}

const nearestFirst = (entries) => [...entries.values()].sort((a, b) => a.distance_m - b.distance_m);

function list() {
  const friends = nearestFirst(client.friends);
  const people = nearestFirst(client.people);
  fillList($('list'), friends.slice(0, pageSize), false);
  fillList($('crowd').querySelector('ol'), people.slice(0, pageSize), true);
  $('count').textContent = count(friends.length, 'friend', 'friends');
  $('empty').hidden = friends.length > 0;
  $('empty').textContent = isWelcome ? 'Nobody is near. Friends appear here as they come within the ring.'
    : 'Looking for your friends…';
  $('more').hidden = Math.max(friends.length, people.length) <= pageSize;
  $('crowd').hidden = !$('strangers').checked;
  $('crowd-title').textContent = people.length ? `Strangers · ${people.length}`
    : sharing?.mode === 'off' ? 'Strangers meet you only while you share' : 'No strangers around';
}

function showFriends() {
  const { came, left } = map.show(client.friends, false);
  if (isListed) came.forEach((entry) => tell(`${nameOf(entry)} came near`));
  left.forEach((entry) => tell(`${nameOf(entry)} left`));
  list();
}

function showPeople() {
  map.show(client.people, true);
  list();
}

// ---- what I share ----

const CAPTIONS = {
  off: 'Nobody sees where you are',
  approximate: 'Friends see your place by about 1 km',
  precise: 'Friends see exactly where you are',
};

function showSharing(state) {
  sharing = state;
  map.mode = state.mode;
  $('share').elements.mode.value = state.mode;
  $('share').removeAttribute('aria-busy');
  const until = state.until && new Date(state.until).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  $('caption').textContent = `${CAPTIONS[state.mode]}${until ? `, until ${until}` : ''}${
    state.friends.length ? `, but for ${count(state.friends.length, 'friend', 'friends')}` : ''}.`;
  list();
}

$('modes').addEventListener('change', ({ target }) => {
  $('share').setAttribute('aria-busy', true);
  client?.sharing(target.value);
});
$('strangers').addEventListener('change', () => {
  client?.strangers($('strangers').checked);
  if (client) list();
});

// ---- friendships ----

/** Says yes or no; the server's `friend` message does the rest. */
async function answer(person, method) {
  const answered = await api(method, `/v1/me/friends/${person.user}`);
  if (!answered?.ok) tell('That did not work. Try again.');
  await showAsks();
}

function newAsk(person) {
  const item = document.createElement('li');
  item.dataset.user = person.user;
  const buttons = [['Accept', 'PUT', 'main'], ['Decline', 'DELETE', '']].map(([text, method, className]) => {
    const button = part('button', text, className);
    button.type = 'button';
    button.ariaLabel = `${text} ${nameOf(person)}`;
    button.addEventListener('click', () => answer(person, method));
    return button;
  });
  item.append(badge(person), part('b', nameOf(person)), ...buttons);
  return item;
}

/** Answers may overtake each other: the last question's holds. Rows that stay keep the focus. */
async function showAsks() {
  const question = ++askCount;
  const answered = await api('GET', '/v1/me/friends/asking');
  const friends = answered?.ok ? (await answered.json()).friends : null;
  if (friends === null || question !== askCount) return;
  const rows = $('asks').querySelector('ul');
  const hadFocus = rows.contains(document.activeElement);
  const old = new Map([...rows.children].map((item) => [item.dataset.user, item]));
  for (const person of friends) {
    if (!old.delete(person.user)) rows.append(newAsk(person));
  }
  old.forEach((item) => item.remove());
  $('asks').hidden = friends.length === 0;
  if (hadFocus && !rows.contains(document.activeElement)) (rows.querySelector('button') ?? $('map')).focus();
}

function hearOfFriend(message) {
  const isAsk = [...$('asks').querySelectorAll('li')].some((item) => item.dataset.user === message.user);
  const name = nameOf(message);
  if (message.what === 'asked') tell(`${name} asks to be your friend`);
  else if (message.what === 'added') tell(`${name} is your friend now`);
  else if (!isAsk) tell(`${name} is not your friend any more`);
  showAsks();
}

// ---- moving ----

/** No more than five times a second; the last place always. */
function send() {
  clearTimeout(sendTimer);
  const wait = lastSent + SEND_MS - Date.now();
  if (wait > 0) {
    sendTimer = setTimeout(send, wait);
    return;
  }
  lastSent = Date.now();
  client?.locate(map.me);
  sendTimer = setTimeout(send, updateMs);
  try {
    sessionStorage.setItem('nearby-at', `${map.me.lat},${map.me.lon}`);
  } catch { /* a browser without storage forgets */ }
}

function go(x, y) {
  map.me = moved(map.me, x, y);
  $('hint').style.opacity = 0;
  send();
}

const canvas = $('map');
const fromMiddle = (event) => ({ x: event.offsetX - map.middle.x, y: event.offsetY - map.middle.y });

canvas.addEventListener('pointerdown', (event) => {
  const from = fromMiddle(event);
  if (Math.hypot(from.x, from.y) > 32) {
    choose(map.userAt(event.offsetX, event.offsetY));
    return;
  }
  map.drag = from;
  canvas.setPointerCapture(event.pointerId);
  canvas.classList.add('dragging');
});
canvas.addEventListener('pointermove', (event) => {
  if (map.drag) map.drag = fromMiddle(event);
});
function drop() {
  if (!map.drag) return;
  const { x, y } = map.drag;
  map.drag = null;
  canvas.classList.remove('dragging');
  if (Math.hypot(x, y) > 2) go(x / map.scale, -y / map.scale);
}
canvas.addEventListener('pointerup', drop);
canvas.addEventListener('pointercancel', drop);
canvas.addEventListener('wheel', (event) => {
  event.preventDefault();
  map.zoom(1.0015 ** event.deltaY);
}, { passive: false });

const KEYS = { ArrowUp: [0, 1], ArrowDown: [0, -1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
canvas.addEventListener('keydown', (event) => {
  const step = KEYS[event.key];
  if (step && map.me) {
    const m = event.shiftKey ? 5 * STEP_M : STEP_M;
    go(step[0] * m, step[1] * m);
  } else if (event.key === '+' || event.key === '=') {
    map.zoom(0.8);
  } else if (event.key === '-') {
    map.zoom(1.25);
  } else {
    return;
  }
  event.preventDefault();
});

function choose(user) {
  map.chosen = user === map.chosen ? null : user;
  if (client) list();
}

for (const rows of [$('list'), $('crowd')]) {
  rows.addEventListener('click', (event) => {
    const button = event.target.closest('button');
    if (button) choose(button.parentNode.dataset.user);
  });
}
$('more').addEventListener('click', () => {
  pageSize += PAGE;
  list();
});
$('closer').addEventListener('click', () => map.zoom(0.8));
$('further').addEventListener('click', () => map.zoom(1.25));
$('theme').addEventListener('click', () => {
  const { dataset } = document.documentElement;
  const isDark = dataset.theme ? dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  dataset.theme = isDark ? 'light' : 'dark';
  map.readColours();
});

// ---- who and where ----

const STATES = { open: 'Live', connecting: 'Connecting…', waiting: 'No connection, trying again…', stopped: 'Not connected' };

async function showState(state) {
  $('state').dataset.state = state;
  $('state').textContent = STATES[state];
  if (state === 'open') {
    client.sharing();
    showAsks();
  }
  if (state !== 'waiting') return;
  // The browser does not say why there is no session; the server does.
  const of = client;
  const answered = await api('GET', '/v1/me');
  if (of !== client || ![401, 403].includes(answered?.status)) return;
  client.stop();
  ask('The server does not accept this token: it has expired, or was never its own.');
}

function welcome(message) {
  isWelcome = true;
  map.radiusM = message.radius_m;
  updateMs = message.update_s * 1000;
  $('who').textContent = message.name ? `${message.name} (${message.user})` : `User ${message.user}`;
}

function begin(newToken, at) {
  client?.stop();
  map.clear();
  token = newToken;
  isListed = isWelcome = false;
  sharing = null;
  askCount++;
  $('asks').querySelector('ul').replaceChildren();
  $('asks').hidden = true;
  map.me = at;
  client = new NearbyClient({ token });
  client.on('state', showState);
  client.on('welcome', welcome);
  client.on('update', () => { isListed = true; });
  client.on('friends', showFriends);
  client.on('people', showPeople);
  client.on('sharing', showSharing);
  client.on('friend', hearOfFriend);
  client.on('error', ({ message }) => {
    tell(message);
    if ($('share').hasAttribute('aria-busy')) client.sharing();
  });
  client.strangers($('strangers').checked);
  client.start();
  list();
  send();
}

function parsePlace(text) {
  const [lat, lon] = (text ?? '').split(',').map((number) => (number.trim() === '' ? NaN : Number(number)));
  return Math.abs(lat) <= 90 && Math.abs(lon) <= 180 ? { lat, lon } : null;
}

function ask(wrong = '') {
  if (map.me) {
    $('lat').value = map.me.lat.toFixed(5);
    $('lon').value = map.me.lon.toFixed(5);
  }
  $('wrong').textContent = wrong;
  if (!$('start').open) $('start').showModal();
}

$('change').addEventListener('click', () => ask());
$('device').addEventListener('click', () => {
  if (!navigator.geolocation) {
    $('wrong').textContent = 'This browser does not say where it is.';
    return;
  }
  navigator.geolocation.getCurrentPosition(({ coords }) => {
    $('lat').value = coords.latitude;
    $('lon').value = coords.longitude;
  }, (error) => {
    $('wrong').textContent = error.message;
  });
});
$('start').querySelector('form').addEventListener('submit', (event) => {
  const at = parsePlace(`${$('lat').value},${$('lon').value}`);
  const given = $('token').value.trim();
  if (given === '' || at === null) {
    event.preventDefault();
    $('wrong').textContent = given === '' ? 'A token is needed: nearbyctl token USER makes one.'
      : 'Latitude is from −90 to 90, longitude from −180 to 180.';
    return;
  }
  begin(given, at);
});

function remembered() {
  try {
    return sessionStorage.getItem('nearby-at');
  } catch {
    return null;
  }
}

setInterval(() => client && list(), 1000);
showState('stopped');
const address = new URLSearchParams(location.hash.slice(1));
const start = parsePlace(remembered()) ?? parsePlace(address.get('at'));
$('token').value = address.get('token') ?? '';
if (address.has('token') && start !== null) begin(address.get('token'), start);
else {
  map.me = start;
  ask();
}
