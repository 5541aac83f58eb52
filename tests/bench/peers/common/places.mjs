// Owns: where users are, as points on the unit sphere, and the JSON text of each place.
// Invariant: within the radius is asked by one squared chord: no angle is computed for a pair.
// Does not know: who may see whom, sessions.

const EARTH_M = 6371008.8
const DEGREE = Math.PI / 180
export const RADIUS_M = 8046.72
export const CHORD2_MAX = (2 * Math.sin(RADIUS_M / EARTH_M / 2)) ** 2

// "0.0" to the radius in tenths of a metre: a number is never formatted for a delivery.
const TENTHS = Array.from({ length: Math.round(RADIUS_M * 10) + 1 },
	(_, tenths) => `${Math.floor(tenths / 10)}.${tenths % 10}}`)

// The end of an entry: "1234.5}". Two terms of the arc's series are exact to a micrometre within
// the radius.
export function entryEnd(chord2) {
	return TENTHS[Math.round(EARTH_M * 10 * Math.sqrt(chord2) * (1 + chord2 / 24))]
}

export class Places {
	constructor(users) {
		this.x = new Float64Array(users)
		this.y = new Float64Array(users)
		this.z = new Float64Array(users)
		this.entries = new Array(users).fill('')
	}

	// lat and lon are numbers or their texts; the start of the user's entry is made of them once.
	put(user, lat, lon, ts) {
		const phi = lat * DEGREE
		const lambda = lon * DEGREE
		const ring = Math.cos(phi)
		this.x[user] = ring * Math.cos(lambda)
		this.y[user] = ring * Math.sin(lambda)
		this.z[user] = Math.sin(phi)
		this.entries[user] =
			`{"user":"${user}","name":"","lat":${lat},"lon":${lon},"ts":${ts},"distance_m":`
	}

	drop(user) {
		this.entries[user] = ''
	}

	has(user) {
		return this.entries[user] !== ''
	}

	chord2(a, b) {
		const dx = this.x[a] - this.x[b]
		const dy = this.y[a] - this.y[b]
		const dz = this.z[a] - this.z[b]
		return dx * dx + dy * dy + dz * dz
	}
}
