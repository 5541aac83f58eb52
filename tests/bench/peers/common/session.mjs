// Owns: what a client of either server is greeted with, and who it says to be.
// Invariant: a token's signature is not verified: that work is spared to these servers.
// Does not know: sockets, places.

import { RADIUS_M } from './places.mjs'

export const TTL_S = 600
export const SUBPROTOCOL = 'nearby.v1.json'
// Unsent bytes of a client that does not read, before it is closed.
export const UNSENT_BYTES_MAX = 1 << 20

function tokenOf(url, authorization) {
	if (authorization?.startsWith('Bearer ')) return authorization.slice(7)
	const query = url.indexOf('?')
	return new URLSearchParams(query === -1 ? '' : url.slice(query + 1)).get('access_token') ?? ''
}

// The user of a request to /v1/ws, or -1.
export function userOf(url, authorization, users) {
	if (!/^[^?]*\/v1\/ws(\?|$)/.test(url)) return -1
	try {
		const claims = tokenOf(url, authorization).split('.')[1]
		const user = Number(JSON.parse(Buffer.from(claims, 'base64url').toString()).sub)
		return Number.isInteger(user) && user >= 0 && user < users ? user : -1
	} catch {
		return -1
	}
}

export function welcome(user) {
	return `{"type":"welcome","user":"${user}","name":"","radius_m":${RADIUS_M},"ttl_s":${TTL_S},` +
		`"update_s":30,"ts":${Date.now()}}`
}

export function isLocation({ type, lat, lon }) {
	return type === 'location' && Math.abs(lat) <= 90 && Math.abs(lon) <= 180
}

export function isPageRequest({ type, limit = 1 }) {
	return type === 'nearby' && limit >= 1 && limit <= 100
}
