/*
 * Owns: the live map: you in the middle, the ring, and your friends as they move.
 * Invariant: shows what the client holds, nothing else; no library, no picture, no other server.
 * Does not know: how the session is kept up (nearby.js does).
 *
 * The address may say who and where: #token=JWT&at=LAT,LON. What stands behind # is never sent.
 */
import { NearbyClient } from './nearby.js';

const EARTH_M = 6371008.8;
const MILE_M = 1609.344;
const PAGE = 20;
/** Old places of a friend that are drawn. */
const TRAIL = 24;
const GLIDE_MS = 600;
const SEND_MS = 200;
const STEP_M = 200;
const NAME_FONT = '12px system-ui, sans-serif';

const $ = (id) => document.getElementById(id);
const radians = (degrees) => degrees * Math.PI / 180;
const calm = matchMedia('(prefers-reduced-motion: reduce)');

const canvas = $('map');
const pen = canvas.getContext('2d');
/** By user: where a friend is drawn, on the way to where it is, and where it was. */
const shown = new Map();
let client = null;
let me = null;
let radiusM = 5 * MILE_M;
let updateMs = 30000;
/** Metres from the middle to the nearer edge. */
let spanM = 1.25 * radiusM;
/** While I am dragged: how far from the middle, in pixels. */
let drag = null;
let pageSize = PAGE;
let chosen = null;
/** Whether who comes is news: it is not on the first list. */
let isListed = false;
let lastSent = 0;
let sendTimer = 0;
let colours = {};

// ---- geometry ----

/** Metres east and north of `from`; right for the few miles that are shown, across 180 degrees too. */
function offset(from, to) {
  const lon = ((to.lon - from.lon + 540) % 360 + 360) % 360 - 180;
  return {
    x: radians(lon) * EARTH_M * Math.cos(radians(from.lat)),
    y: radians(to.lat - from.lat) * EARTH_M,
  };
}

function moved(from, x, y) {
  const lat = Math.max(-89.9, Math.min(89.9, from.lat + y / EARTH_M * 180 / Math.PI));
  const lon = from.lon + x / (EARTH_M * Math.cos(radians(from.lat))) * 180 / Math.PI;
  return { lat, lon: ((lon + 540) % 360 + 360) % 360 - 180 };
}

const scale = () => Math.min(canvas.clientWidth, canvas.clientHeight) / 2 / spanM;
const middle = () => ({ x: canvas.clientWidth / 2, y: canvas.clientHeight / 2 });

function onScreen(place) {
  const { x, y } = offset(me, place);
  const at = middle();
  return { x: at.x + x * scale(), y: at.y - y * scale() };
}

// ---- words ----

const nameOf = (entry) => entry.name || `User ${entry.user}`;
const initial = (entry) => [...nameOf(entry)][0].toUpperCase();
const miles = (m) => (m < 160 ? `${Math.round(m)} m` : `${+(m / MILE_M).toFixed(1)} mi`);

function age(ts) {
  const s = Math.max(0, Math.round((Date.now() - ts) / 1000));
  if (s < 5) return 'now';
  return s < 60 ? `${s} s ago` : `${Math.round(s / 60)} min ago`;
}

/** A colour of its own for each user. */
function hue(user) {
  let hash = 7;
  for (const c of user) hash = (hash * 31 + c.charCodeAt(0)) % 360;
  return (hash * 137) % 360;
}

const colour = (user, alpha = 1) => `hsl(${hue(user)} 62% 50% / ${alpha})`;

// ---- the map ----

function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ['ground', 'line', 'ink', 'soft', 'ring', 'glow', 'halo', 'blue']) {
    colours[name] = style.getPropertyValue(`--${name}`).trim();
  }
}

function resize() {
  const ratio = devicePixelRatio || 1;
  canvas.width = canvas.clientWidth * ratio;
  canvas.height = canvas.clientHeight * ratio;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  draw(performance.now());
}

function circle(at, r) {
  pen.beginPath();
  pen.arc(at.x, at.y, r, 0, 2 * Math.PI);
}

function label(text, x, y, font, fill) {
  pen.font = font;
  pen.lineWidth = 4;
  pen.lineJoin = 'round';
  pen.strokeStyle = colours.halo;
  pen.strokeText(text, x, y);
  pen.fillStyle = fill;
  pen.fillText(text, x, y);
}

/** Lines that stay where they are on the ground, so that moving is seen as moving. */
function drawGrid() {
  const step = 2 ** Math.round(Math.log2(spanM / 5));
  const origin = { lat: Math.round(me.lat), lon: Math.round(me.lon) };
  const { x, y } = offset(origin, me);
  const at = middle();
  pen.lineWidth = 1;
  pen.strokeStyle = colours.line;
  pen.beginPath();
  const lines = (length, shift, draw) => {
    const pixels = step * scale();
    for (let p = ((length / 2 - shift * scale()) % pixels + pixels) % pixels; p < length; p += pixels) draw(p);
  };
  lines(canvas.clientWidth, x, (p) => { pen.moveTo(p, 0); pen.lineTo(p, 2 * at.y); });
  lines(canvas.clientHeight, -y, (p) => { pen.moveTo(0, p); pen.lineTo(2 * at.x, p); });
  pen.stroke();
}

function drawRings() {
  const at = middle();
  const r = radiusM * scale();
  circle(at, r);
  pen.fillStyle = colours.glow;
  pen.fill();
  pen.lineWidth = 2;
  pen.strokeStyle = colours.ring;
  pen.stroke();
  pen.setLineDash([3, 6]);
  pen.lineWidth = 1;
  for (let i = 1; i * MILE_M < radiusM - 1; i++) {
    circle(at, i * MILE_M * scale());
    pen.stroke();
  }
  pen.setLineDash([]);
  pen.textAlign = 'center';
  label(miles(radiusM), at.x, at.y - r - 8, '600 12px system-ui, sans-serif', colours.ring);
}

function drawMe() {
  const at = middle();
  if (drag) {
    at.x += drag.x;
    at.y += drag.y;
  }
  circle(at, 20);
  pen.fillStyle = colours.glow;
  pen.fill();
  circle(at, 9);
  pen.fillStyle = colours.blue;
  pen.fill();
  pen.lineWidth = 3;
  pen.strokeStyle = colours.ground;
  pen.stroke();
  pen.textAlign = 'center';
  label('You', at.x, at.y + 30, '600 13px system-ui, sans-serif', colours.ink);
}

/** Where a friend is drawn at this time. */
function glide(dot, now) {
  const part = calm.matches ? 1 : Math.min(1, (now - dot.since) / GLIDE_MS);
  const eased = part * (2 - part);
  return {
    lat: dot.from.lat + (dot.to.lat - dot.from.lat) * eased,
    lon: dot.from.lon + (((dot.to.lon - dot.from.lon + 540) % 360) - 180) * eased,
  };
}

function drawTrail(user, dot, at) {
  const points = [...dot.trail.map(onScreen), at];
  pen.lineCap = 'round';
  for (let i = 1; i < points.length; i++) {
    pen.beginPath();
    pen.moveTo(points[i - 1].x, points[i - 1].y);
    pen.lineTo(points[i].x, points[i].y);
    pen.lineWidth = 1.5 + 3 * i / points.length;
    pen.strokeStyle = colour(user, (0.15 + 0.6 * i / points.length) * dot.opacity);
    pen.stroke();
  }
}

function drawFriend(user, dot, now) {
  const at = onScreen(glide(dot, now));
  const isChosen = user === chosen;
  pen.globalAlpha = 1;
  drawTrail(user, dot, at);
  pen.globalAlpha = dot.opacity;
  circle(at, isChosen ? 15 : 12);
  pen.fillStyle = colour(user);
  pen.fill();
  pen.lineWidth = isChosen ? 4 : 2;
  pen.strokeStyle = isChosen ? colours.ink : colours.ground;
  pen.stroke();
  pen.textAlign = 'center';
  pen.textBaseline = 'middle';
  pen.font = '600 12px system-ui, sans-serif';
  pen.fillStyle = '#fff';
  pen.fillText(initial(dot.entry), at.x, at.y + 0.5);
  pen.textBaseline = 'alphabetic';
  pen.globalAlpha = 1;
  return { at, dot };
}

/** Names below the dots, the nearest friends first; one that would cover another is left out. */
function drawNames(drawn) {
  const at = middle();
  const taken = [{ x: at.x, y: at.y + 26, half: 20 }];
  pen.font = NAME_FONT;
  pen.textAlign = 'center';
  const order = drawn.sort((a, b) => (b.dot.entry.user === chosen) - (a.dot.entry.user === chosen) ||
    a.dot.entry.distance_m - b.dot.entry.distance_m);
  for (const { at: { x, y }, dot } of order) {
    const box = { x, y: y + 23, half: pen.measureText(nameOf(dot.entry)).width / 2 + 3 };
    const isFree = taken.every((o) => Math.abs(o.y - box.y) > 15 || Math.abs(o.x - box.x) > o.half + box.half) &&
      order.every((o) => o.dot === dot || Math.abs(o.at.y - box.y) > 17 || Math.abs(o.at.x - x) > box.half + 10);
    if (!isFree && dot.entry.user !== chosen) continue;
    taken.push(box);
    pen.globalAlpha = dot.opacity;
    label(nameOf(dot.entry), x, y + 27, NAME_FONT, colours.ink);
  }
  pen.globalAlpha = 1;
}

/** Comes in and goes out softly; who is out is forgotten. */
function fade(user, dot, now) {
  const part = calm.matches ? 1 : Math.min(1, (now - dot.fading) / GLIDE_MS);
  dot.opacity = dot.isGone ? 1 - part : part;
  if (dot.isGone && part === 1) shown.delete(user);
}

function draw(now) {
  if (me === null || canvas.clientWidth === 0) return;
  pen.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
  drawGrid();
  drawRings();
  const drawn = [];
  for (const [user, dot] of shown) {
    fade(user, dot, now);
    if (user !== chosen) drawn.push(drawFriend(user, dot, now));
  }
  if (shown.has(chosen)) drawn.push(drawFriend(chosen, shown.get(chosen), now));
  drawNames(drawn);
  drawMe();
}

// ---- friends ----

function tell(text) {
  const line = document.createElement('p');
  line.textContent = text;
  line.addEventListener('animationend', () => line.remove());
  $('news').append(line);
  while ($('news').children.length > 3) $('news').firstChild.remove();
}

function place(entry) {
  const now = performance.now();
  const to = { lat: entry.lat, lon: entry.lon };
  const dot = shown.get(entry.user);
  if (dot === undefined || dot.isGone) {
    shown.set(entry.user, { entry, from: to, to, since: now, trail: [], fading: now, opacity: 0, isGone: false });
    return true;
  }
  dot.entry = entry;
  if (dot.to.lat !== to.lat || dot.to.lon !== to.lon) {
    dot.trail = [...dot.trail, dot.to].slice(-TRAIL);
    dot.from = glide(dot, now);
    dot.to = to;
    dot.since = now;
  }
  return false;
}

/** Brings what is drawn in line with what the client holds. */
function refresh() {
  for (const entry of client.friends.values()) {
    if (place(entry) && isListed) tell(`${nameOf(entry)} came near`);
  }
  for (const [user, dot] of shown) {
    if (!dot.isGone && !client.friends.has(user)) {
      Object.assign(dot, { isGone: true, fading: performance.now() });
      tell(`${nameOf(dot.entry)} left`);
    }
  }
  list();
}

const SVG = 'http://www.w3.org/2000/svg';

function badge(entry) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 36 36');
  svg.setAttribute('aria-hidden', 'true');
  const disc = document.createElementNS(SVG, 'circle');
  for (const [name, value] of [['cx', 18], ['cy', 18], ['r', 18], ['fill', colour(entry.user)]]) disc.setAttribute(name, value);
  const letter = document.createElementNS(SVG, 'text');
  letter.setAttribute('x', 18);
  letter.setAttribute('y', 23.5);
  letter.textContent = initial(entry);
  svg.append(disc, letter);
  return svg;
}

function part(tag, text, className = '') {
  const element = document.createElement(tag);
  element.textContent = text;
  element.className = className;
  return element;
}

function newRow(entry) {
  const button = document.createElement('button');
  button.type = 'button';
  button.dataset.user = entry.user;
  button.append(badge(entry), part('b', ''), part('span', '', 'away'), part('small', ''));
  const item = document.createElement('li');
  item.append(button);
  return item;
}

/** One row a friend, kept by user so that the focus stays where it is. */
function list() {
  const entries = [...client.friends.values()].sort((a, b) => a.distance_m - b.distance_m);
  const rows = new Map([...$('list').children].map((item) => [item.firstChild.dataset.user, item]));
  entries.slice(0, pageSize).forEach((entry, i) => {
    const item = rows.get(entry.user) ?? newRow(entry);
    rows.delete(entry.user);
    const [, name, away, when] = item.firstChild.children;
    name.textContent = nameOf(entry);
    away.textContent = miles(entry.distance_m);
    when.textContent = age(entry.ts);
    item.firstChild.setAttribute('aria-pressed', entry.user === chosen);
    if ($('list').children[i] !== item) $('list').insertBefore(item, $('list').children[i] ?? null);
  });
  rows.forEach((item) => item.remove());
  $('count').textContent = entries.length === 1 ? '1 friend' : `${entries.length} friends`;
  $('empty').hidden = entries.length > 0;
  $('more').hidden = entries.length <= pageSize;
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
  client?.locate(me);
  sendTimer = setTimeout(send, updateMs);
  try {
    sessionStorage.setItem('nearby-at', `${me.lat},${me.lon}`);
  } catch { /* a browser without storage forgets */ }
}

function go(x, y) {
  me = moved(me, x, y);
  $('hint').style.opacity = 0;
  send();
}

canvas.addEventListener('pointerdown', (event) => {
  const at = middle();
  const x = event.offsetX - at.x;
  const y = event.offsetY - at.y;
  if (Math.hypot(x, y) <= 32) {
    drag = { x, y };
    canvas.setPointerCapture(event.pointerId);
    canvas.classList.add('dragging');
  } else {
    choose(nearestTo(event.offsetX, event.offsetY));
  }
});
canvas.addEventListener('pointermove', (event) => {
  if (!drag) return;
  const at = middle();
  drag = { x: event.offsetX - at.x, y: event.offsetY - at.y };
});
function drop() {
  if (!drag) return;
  const { x, y } = drag;
  drag = null;
  canvas.classList.remove('dragging');
  if (Math.hypot(x, y) > 2) go(x / scale(), -y / scale());
}
canvas.addEventListener('pointerup', drop);
canvas.addEventListener('pointercancel', drop);

function zoom(factor) {
  spanM = Math.max(300, Math.min(4 * radiusM, spanM * factor));
}
canvas.addEventListener('wheel', (event) => {
  event.preventDefault();
  zoom(1.0015 ** event.deltaY);
}, { passive: false });

const KEYS = { ArrowUp: [0, 1], ArrowDown: [0, -1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
canvas.addEventListener('keydown', (event) => {
  const step = KEYS[event.key];
  if (step) {
    const m = event.shiftKey ? 5 * STEP_M : STEP_M;
    go(step[0] * m, step[1] * m);
  } else if (event.key === '+' || event.key === '=') {
    zoom(0.8);
  } else if (event.key === '-') {
    zoom(1.25);
  } else {
    return;
  }
  event.preventDefault();
});

function nearestTo(x, y) {
  let best = null;
  let bestD = 24;
  for (const [user, dot] of shown) {
    const at = onScreen(dot.to);
    const d = Math.hypot(at.x - x, at.y - y);
    if (d < bestD) [best, bestD] = [user, d];
  }
  return best;
}

function choose(user) {
  chosen = user === chosen ? null : user;
  if (client) list();
}

$('list').addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (button) choose(button.dataset.user);
});
$('more').addEventListener('click', () => {
  pageSize += PAGE;
  list();
});
$('closer').addEventListener('click', () => zoom(0.8));
$('further').addEventListener('click', () => zoom(1.25));
$('theme').addEventListener('click', () => {
  const isDark = getComputedStyle(document.documentElement).colorScheme === 'dark' ||
    (!document.documentElement.dataset.theme && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.dataset.theme = isDark ? 'light' : 'dark';
  readColours();
});

// ---- who and where ----

const STATES = { open: 'Live', connecting: 'Connecting…', waiting: 'Connection lost, trying again…', stopped: 'Not connected' };

function showState(state) {
  $('state').dataset.state = state;
  $('state').textContent = STATES[state];
}

function begin(token, at) {
  client?.stop();
  shown.clear();
  isListed = false;
  me = at;
  client = new NearbyClient({ token });
  client.on('state', showState);
  client.on('welcome', (welcome) => {
    radiusM = welcome.radius_m;
    updateMs = welcome.update_s * 1000;
    spanM = 1.25 * radiusM;
    $('who').textContent = welcome.name ? `${welcome.name} (${welcome.user})` : `User ${welcome.user}`;
  });
  client.on('update', () => { isListed = true; });
  client.on('friends', refresh);
  client.on('error', ({ message }) => tell(message));
  client.start();
  list();
  send();
}

function parsePlace(text) {
  const [lat, lon] = (text ?? '').split(',').map((part) => (part.trim() === '' ? NaN : Number(part)));
  return Math.abs(lat) <= 90 && Math.abs(lon) <= 180 ? { lat, lon } : null;
}

function ask() {
  if (me) {
    $('lat').value = me.lat.toFixed(5);
    $('lon').value = me.lon.toFixed(5);
  }
  $('wrong').textContent = '';
  $('start').showModal();
}

$('change').addEventListener('click', ask);
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
  const token = $('token').value.trim();
  if (token === '' || at === null) {
    event.preventDefault();
    $('wrong').textContent = token === '' ? 'A token is needed: nearbyctl token USER makes one.'
      : 'Latitude is from −90 to 90, longitude from −180 to 180.';
    return;
  }
  begin(token, at);
});

function remembered() {
  try {
    return sessionStorage.getItem('nearby-at');
  } catch {
    return null;
  }
}

readColours();
resize();
new ResizeObserver(resize).observe(canvas);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', readColours);
setInterval(() => client && list(), 1000);
(function animate(now) {
  draw(now);
  requestAnimationFrame(animate);
}(performance.now()));
showState('stopped');
const address = new URLSearchParams(location.hash.slice(1));
const start = parsePlace(remembered()) ?? parsePlace(address.get('at'));
$('token').value = address.get('token') ?? '';
if (address.has('token') && start !== null) begin(address.get('token'), start);
else {
  me = start;
  ask();
}
