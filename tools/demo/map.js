/*
 * Owns: the picture: you in the middle, the ring, friends and strangers with their trails.
 * Invariant: shows whom show() was given last; who leaves fades, and is forgotten then.
 * Does not know: the session, lists, keys. It draws in the colours of the page's style.
 */

const EARTH_M = 6371008.8;
const MILE_M = 1609.344;
/** Old places of somebody that are drawn. */
const TRAIL = 24;
const GLIDE_MS = 600;
/** Half a cell of the grid of approximate places, about. */
const CLOUD_M = 600;
const FONT = 'system-ui, sans-serif';
const NAME_FONT = `12px ${FONT}`;

const radians = (degrees) => degrees * Math.PI / 180;
const around = (lon) => ((lon + 540) % 360 + 360) % 360 - 180;
const calm = matchMedia('(prefers-reduced-motion: reduce)');

// ---- words and colours ----

export const nameOf = (entry) => entry.name || `User ${entry.user}`;
export const initial = (entry) => [...nameOf(entry)][0].toUpperCase();
export const miles = (m) => (m < 160 ? `${Math.round(m)} m` : `${+(m / MILE_M).toFixed(1)} mi`);

/** A colour of its own for each user, dark enough for a white letter. */
export function colour(user, alpha = 1) {
  let hash = 7;
  for (const c of user) hash = (hash * 31 + c.charCodeAt(0)) % 360;
  return `oklch(0.53 0.15 ${(hash * 137) % 360} / ${alpha})`;
}

/** A colour of the style, #RRGGBB, that lets through what is below it. */
const faded = (hex, alpha) => hex + Math.round(alpha * 255).toString(16).padStart(2, '0');

// ---- geometry ----

/** Metres east and north of `from`; right for the few miles that are shown, across 180 degrees too. */
function offset(from, to) {
  return {
    x: radians(around(to.lon - from.lon)) * EARTH_M * Math.cos(radians(from.lat)),
    y: radians(to.lat - from.lat) * EARTH_M,
  };
}

/** The place that is so many metres east and north. */
export function moved(from, x, y) {
  const lat = Math.max(-89.9, Math.min(89.9, from.lat + y / EARTH_M * 180 / Math.PI));
  return { lat, lon: around(from.lon + x / (EARTH_M * Math.cos(radians(from.lat))) * 180 / Math.PI) };
}

/** Where somebody is drawn at this time, on the way to where they are. */
function glide(dot, now) {
  const part = calm.matches ? 1 : Math.min(1, (now - dot.since) / GLIDE_MS);
  const eased = part * (2 - part);
  return {
    lat: dot.from.lat + (dot.to.lat - dot.from.lat) * eased,
    lon: dot.from.lon + around(dot.to.lon - dot.from.lon) * eased,
  };
}

export class LiveMap {
  me = null;
  /** What others see of me: precise, approximate, off. */
  mode = 'precise';
  /** The user that is marked. */
  chosen = null;
  /** While I am dragged: how far from the middle, in pixels. */
  drag = null;
  #canvas;
  #pen;
  /** By user: { entry, isStranger, from, to, since, trail, fading, opacity, isGone }. */
  #dots = new Map();
  #radiusM = 5 * MILE_M;
  /** Metres from the middle to the nearer edge. */
  #spanM = 1.2 * this.#radiusM;
  #colours = {};

  constructor(canvas) {
    this.#canvas = canvas;
    this.#pen = canvas.getContext('2d');
    this.readColours();
    new ResizeObserver(() => this.#resize()).observe(canvas);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.readColours());
    const animate = (now) => {
      this.#draw(now);
      requestAnimationFrame(animate);
    };
    requestAnimationFrame(animate);
  }

  readColours() {
    const style = getComputedStyle(document.documentElement);
    for (const name of ['ground', 'line', 'ink', 'soft', 'blue', 'glow', 'halo', 'stranger']) {
      this.#colours[name] = style.getPropertyValue(`--${name}`).trim();
    }
  }

  set radiusM(radiusM) {
    this.#radiusM = radiusM;
    this.#spanM = 1.2 * radiusM;
  }

  zoom(factor) {
    this.#spanM = Math.max(300, Math.min(4 * this.#radiusM, this.#spanM * factor));
  }

  get scale() {
    return Math.min(this.#canvas.clientWidth, this.#canvas.clientHeight) / 2 / this.#spanM;
  }

  get middle() {
    return { x: this.#canvas.clientWidth / 2, y: this.#canvas.clientHeight / 2 };
  }

  clear() {
    this.#dots.clear();
  }

  /** Brings what is drawn in line with these entries; returns who came and who left of them. */
  show(entries, isStranger) {
    const news = { came: [], left: [] };
    for (const entry of entries.values()) {
      if (this.#place(entry, isStranger)) news.came.push(entry);
    }
    for (const [user, dot] of this.#dots) {
      if (dot.isStranger === isStranger && !dot.isGone && !entries.has(user)) {
        Object.assign(dot, { isGone: true, fading: performance.now() });
        news.left.push(dot.entry);
      }
    }
    return news;
  }

  #place(entry, isStranger) {
    const now = performance.now();
    const to = { lat: entry.lat, lon: entry.lon };
    const dot = this.#dots.get(entry.user);
    if (dot === undefined || dot.isGone || dot.isStranger !== isStranger) {
      this.#dots.set(entry.user, { entry, isStranger, from: to, to, since: now, trail: [], fading: now, opacity: 0, isGone: false });
      return true;
    }
    dot.entry = entry;
    if (dot.to.lat !== to.lat || dot.to.lon !== to.lon) {
      dot.trail = [...dot.trail, dot.to].slice(-TRAIL);
      Object.assign(dot, { from: glide(dot, now), to, since: now });
    }
    return false;
  }

  /** The user who is drawn here, or null. */
  userAt(x, y) {
    let best = null;
    let bestD = 24;
    for (const [user, dot] of this.#dots) {
      const at = this.#onScreen(dot.to);
      const d = Math.hypot(at.x - x, at.y - y);
      if (d < bestD) [best, bestD] = [user, d];
    }
    return best;
  }

  // ---- drawing ----

  #resize() {
    const ratio = devicePixelRatio || 1;
    this.#canvas.width = this.#canvas.clientWidth * ratio;
    this.#canvas.height = this.#canvas.clientHeight * ratio;
    this.#pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.#draw(performance.now());
  }

  #onScreen(place) {
    const { x, y } = offset(this.me, place);
    const at = this.middle;
    return { x: at.x + x * this.scale, y: at.y - y * this.scale };
  }

  #disc(at, r, fill) {
    const pen = this.#pen;
    pen.beginPath();
    pen.arc(at.x, at.y, r, 0, 2 * Math.PI);
    if (fill) {
      pen.fillStyle = fill;
      pen.fill();
    }
  }

  #ring(at, r, stroke, width) {
    this.#disc(at, r);
    this.#pen.lineWidth = width;
    this.#pen.strokeStyle = stroke;
    this.#pen.stroke();
  }

  /** A place that is known by about a kilometre: no edge, from a core to nothing. */
  #cloud(at, core, tint) {
    const r = Math.max(26, CLOUD_M * this.scale);
    const fog = this.#pen.createRadialGradient(at.x, at.y, 0, at.x, at.y, r);
    fog.addColorStop(0, tint(1));
    fog.addColorStop(core / r, tint(1));
    fog.addColorStop((core + 4) / r, tint(0.4));
    fog.addColorStop(1, tint(0));
    this.#disc(at, r, fog);
  }

  #label(text, x, y, font, fill) {
    const pen = this.#pen;
    pen.font = font;
    pen.textAlign = 'center';
    pen.lineWidth = 4;
    pen.lineJoin = 'round';
    pen.strokeStyle = this.#colours.halo;
    pen.strokeText(text, x, y);
    pen.fillStyle = fill;
    pen.fillText(text, x, y);
  }

  /** Lines that stay where they are on the ground, so that moving is seen as moving. */
  #drawGrid() {
    const pen = this.#pen;
    const pixels = 2 ** Math.round(Math.log2(this.#spanM / 5)) * this.scale;
    const { x, y } = offset({ lat: Math.round(this.me.lat), lon: Math.round(this.me.lon) }, this.me);
    const at = this.middle;
    pen.lineWidth = 1;
    pen.strokeStyle = this.#colours.line;
    pen.beginPath();
    const lines = (half, shift, draw) => {
      for (let p = ((half - shift * this.scale) % pixels + pixels) % pixels; p < 2 * half; p += pixels) draw(p);
    };
    lines(at.x, x, (p) => { pen.moveTo(p, 0); pen.lineTo(p, 2 * at.y); });
    lines(at.y, -y, (p) => { pen.moveTo(0, p); pen.lineTo(2 * at.x, p); });
    pen.stroke();
  }

  #drawRings() {
    const pen = this.#pen;
    const at = this.middle;
    const r = this.#radiusM * this.scale;
    this.#disc(at, r, this.#colours.glow);
    this.#ring(at, r, this.#colours.blue, 2);
    pen.setLineDash([2, 7]);
    for (let i = 1; i * MILE_M < this.#radiusM - 1; i++) this.#ring(at, i * MILE_M * this.scale, this.#colours.blue, 1);
    pen.setLineDash([]);
    this.#label(miles(this.#radiusM), at.x, at.y - r - 8, `600 12px ${FONT}`, this.#colours.blue);
  }

  /** A line to whom is chosen. */
  #drawWay(dot, now) {
    const from = this.middle;
    const to = this.#onScreen(glide(dot, now));
    const pen = this.#pen;
    pen.globalAlpha = dot.opacity;
    pen.beginPath();
    pen.moveTo(from.x, from.y);
    pen.lineTo(to.x, to.y);
    pen.lineWidth = 1.5;
    pen.strokeStyle = this.#colours.ink;
    pen.setLineDash([1, 5]);
    pen.stroke();
    pen.setLineDash([]);
    pen.globalAlpha = 1;
  }

  #drawMe() {
    const { blue, ground, glow, ink } = this.#colours;
    const at = this.middle;
    if (this.drag) {
      at.x += this.drag.x;
      at.y += this.drag.y;
    }
    if (this.mode === 'approximate') this.#cloud(at, 9, (alpha) => faded(blue, alpha));
    else this.#disc(at, 20, glow);
    this.#disc(at, 9, this.mode === 'off' ? ground : blue);
    this.#ring(at, 9, this.mode === 'off' ? blue : ground, 3);
    this.#label(this.mode === 'off' ? 'You, hidden' : 'You', at.x, at.y + 29, `600 13px ${FONT}`, ink);
  }

  #drawTrail(dot, at, tint) {
    const pen = this.#pen;
    const points = [...dot.trail.map((place) => this.#onScreen(place)), at];
    pen.lineCap = 'round';
    for (let i = 1; i < points.length; i++) {
      pen.globalAlpha = (0.15 + 0.6 * i / points.length) * dot.opacity * (dot.entry.approximate ? 0.4 : 1);
      pen.beginPath();
      pen.moveTo(points[i - 1].x, points[i - 1].y);
      pen.lineTo(points[i].x, points[i].y);
      pen.lineWidth = 1.5 + 3 * i / points.length;
      pen.strokeStyle = tint;
      pen.stroke();
    }
  }

  #drawDot(user, dot, now) {
    const pen = this.#pen;
    const { ink, ground, stranger } = this.#colours;
    const at = this.#onScreen(glide(dot, now));
    const isChosen = user === this.chosen;
    const tint = (alpha) => (dot.isStranger ? faded(stranger, alpha) : colour(user, alpha));
    this.#drawTrail(dot, at, tint(1));
    pen.globalAlpha = dot.opacity;
    if (dot.entry.approximate) {
      this.#cloud(at, dot.isStranger ? 4 : 10, tint);
    } else {
      this.#disc(at, 12, tint(1));
      this.#ring(at, 12, ground, 2);
    }
    if (!dot.isStranger) {
      pen.textAlign = 'center';
      pen.textBaseline = 'middle';
      pen.font = `600 12px ${FONT}`;
      pen.fillStyle = '#fff';
      pen.fillText(initial(dot.entry), at.x, at.y + 0.5);
      pen.textBaseline = 'alphabetic';
    }
    if (isChosen) this.#ring(at, dot.isStranger ? 9 : 15, ink, 2.5);
    pen.globalAlpha = 1;
    return { at, dot };
  }

  /** Names below the dots, the nearest friends first; one that would cover another is left out. */
  #drawNames(drawn) {
    const pen = this.#pen;
    const middle = this.middle;
    const taken = [{ x: middle.x, y: middle.y + 26, half: 34 }];
    pen.font = NAME_FONT;
    const isChosen = ({ dot }) => dot.entry.user === this.chosen;
    const order = drawn.filter(({ dot }) => !dot.isStranger)
      .sort((a, b) => isChosen(b) - isChosen(a) || a.dot.entry.distance_m - b.dot.entry.distance_m);
    for (const { at: { x, y }, dot } of order) {
      const box = { x, y: y + 23, half: pen.measureText(nameOf(dot.entry)).width / 2 + 3 };
      const isFree = taken.every((o) => Math.abs(o.y - box.y) > 15 || Math.abs(o.x - box.x) > o.half + box.half) &&
        order.every((o) => o.dot === dot || Math.abs(o.at.y - box.y) > 17 || Math.abs(o.at.x - x) > box.half + 10);
      if (!isFree && !isChosen({ dot })) continue;
      taken.push(box);
      pen.globalAlpha = dot.opacity;
      this.#label(nameOf(dot.entry), x, y + 27, NAME_FONT, this.#colours.ink);
    }
    pen.globalAlpha = 1;
  }

  /** Comes in and goes out softly; who is out is forgotten. */
  #fade(user, dot, now) {
    const part = calm.matches ? 1 : Math.min(1, Math.max(0, (now - dot.fading) / GLIDE_MS));
    dot.opacity = dot.isGone ? 1 - part : part;
    if (dot.isGone && part === 1) this.#dots.delete(user);
  }

  #draw(now) {
    if (this.me === null || this.#canvas.clientWidth === 0) return;
    this.#pen.clearRect(0, 0, this.#canvas.clientWidth, this.#canvas.clientHeight);
    this.#drawGrid();
    this.#drawRings();
    for (const [user, dot] of this.#dots) this.#fade(user, dot, now);
    if (this.#dots.has(this.chosen)) this.#drawWay(this.#dots.get(this.chosen), now);
    // Strangers below friends, whom is chosen above all.
    const order = ([user, dot]) => (user === this.chosen ? 2 : dot.isStranger ? 0 : 1);
    const drawn = [...this.#dots].sort((a, b) => order(a) - order(b)).map(([user, dot]) => this.#drawDot(user, dot, now));
    this.#drawNames(drawn);
    this.#drawMe();
  }
}
