// Owns: what followers are told: `nearby`, `update` and `gone`, and when.
// Invariant: whoever is in a session's list was told in range and not gone since.
// Does not know: sockets, Redis; a session is {user, friends, send(text)}.
//
// AtOnce serves an interval of 0: who moved in a turn of the event loop is checked against each
// follower at its end, and what came of that for a session leaves as one frame. Paced serves any
// other interval: nothing happens when a friend moves; when a session is due it looks at which of
// its friends moved since it last was. Sessions are due spread over the interval.
// When the follower itself moves, nothing is looked at again: friends who stand still enter and
// leave when they next say where they are.

import { CHORD2_MAX, entryEnd } from './places.mjs'

const PAGE = 20
const FRAME_ENTRIES = 128

const update = (entries) => `{"type":"update","friends":[${entries}]}`
const gone = (entries) => `{"type":"gone","friends":[${entries}]}`
const goneEntry = (user, why) => `{"user":"${user}","why":"${why}"}`

// A page of who is in range, nearest first; `told` hears of all in range. A cursor is how many were
// on the pages before.
function nearby(places, session, { cursor = '0', limit = PAGE }, told) {
	const found = []
	session.friends.forEach((friend, at) => {
		if (!places.has(friend)) return
		const chord2 = places.chord2(session.user, friend)
		if (chord2 > CHORD2_MAX) return
		found.push([chord2, friend])
		told(friend, at)
	})
	found.sort((a, b) => a[0] - b[0])
	const end = Number(cursor) + limit
	const page = found.slice(Number(cursor), end)
		.map(([chord2, friend]) => places.entries[friend] + entryEnd(chord2))
	const next = end < found.length ? `"${end}"` : null
	session.send(`{"type":"nearby","friends":[${page.join()}],"total":${found.length},"next":${next}}`)
}

// A follower is one small integer: its user, and whether the followed is in its list in bit 0.
function indexOf(followers, user) {
	for (let i = 0; i < followers.length; i++) if (followers[i] >> 1 === user) return i
	return -1
}

export class AtOnce {
	// With `everywhere` a friend may be connected to some other process, so all friends are followed;
	// else only pairs of which both are here.
	constructor(places, users, everywhere) {
		this.places = places
		this.everywhere = everywhere
		this.sessions = new Array(users).fill(null)
		this.followers = new Array(users).fill(null)
		this.updates = new Array(users).fill('')
		this.gones = new Array(users).fill('')
		this.hasMoved = new Uint8Array(users)
		this.movers = []
		this.touched = []
	}

	join(session) {
		const { user, friends } = session
		this.sessions[user] = session
		for (const friend of friends) {
			if (this.everywhere || this.places.has(friend)) this.follow(user, friend)
			if (!this.everywhere && this.sessions[friend] !== null) this.follow(friend, user)
		}
	}

	leave({ user, friends }) {
		for (const friend of friends) this.unfollow(user, friend)
		this.sessions[user] = null
	}

	follow(user, friend) {
		const list = this.followers[friend]
		if (list === null) this.followers[friend] = [user << 1]
		else if (indexOf(list, user) === -1) list.push(user << 1)
	}

	unfollow(user, friend) {
		const list = this.followers[friend]
		const at = list === null ? -1 : indexOf(list, user)
		if (at === -1) return
		list[at] = list[list.length - 1]
		list.pop()
	}

	nearby(session, request = {}) {
		nearby(this.places, session, request, (friend) => {
			const list = this.followers[friend]
			list[indexOf(list, session.user)] |= 1
		})
	}

	moved(user) {
		if (this.hasMoved[user]) return
		this.hasMoved[user] = 1
		this.movers.push(user)
	}

	spread(user) {
		const list = this.followers[user]
		if (list === null) return
		const { x, y, z, entries } = this.places
		const ux = x[user], uy = y[user], uz = z[user]
		const entry = entries[user]
		for (let i = 0; i < list.length; i++) {
			const follower = list[i] >> 1
			const dx = x[follower] - ux, dy = y[follower] - uy, dz = z[follower] - uz
			const chord2 = dx * dx + dy * dy + dz * dz
			if (chord2 <= CHORD2_MAX) {
				list[i] |= 1
				this.tell(this.updates, follower, entry + entryEnd(chord2))
			} else if (list[i] & 1) {
				list[i] ^= 1
				this.tell(this.gones, follower, goneEntry(user, 'far'))
			}
		}
	}

	expired(user) {
		const list = this.followers[user]
		if (list === null) return
		for (let i = 0; i < list.length; i++) {
			if (!(list[i] & 1)) continue
			list[i] ^= 1
			this.tell(this.gones, list[i] >> 1, goneEntry(user, 'idle'))
		}
		this.followers[user] = null
	}

	tell(texts, follower, entry) {
		if (this.updates[follower] === '' && this.gones[follower] === '') this.touched.push(follower)
		texts[follower] = texts[follower] === '' ? entry : texts[follower] + ',' + entry
	}

	// At the end of a turn of the event loop.
	flush() {
		const { movers, touched, updates, gones, sessions } = this
		for (let i = 0; i < movers.length; i++) {
			this.hasMoved[movers[i]] = 0
			this.spread(movers[i])
		}
		movers.length = 0
		for (let i = 0; i < touched.length; i++) {
			const user = touched[i]
			const moved = updates[user], left = gones[user]
			updates[user] = gones[user] = ''
			const session = sessions[user]
			if (session === null) continue
			if (moved !== '') session.send(update(moved))
			if (left !== '') session.send(gone(left))
		}
		touched.length = 0
	}
}

export class Paced {
	constructor(places, users, intervalMs) {
		this.places = places
		this.intervalMs = intervalMs
		this.moves = 0
		this.movedAt = new Float64Array(users) // in moves of anybody
		this.sessions = [] // in the order in which they are due
		this.next = 0
		this.dueAt = performance.now()
		this.timer = setInterval(() => this.turn(), Math.max(1, Math.min(10, intervalMs / 10)))
	}

	join(session) {
		session.told = new Uint8Array(session.friends.length)
		session.seen = this.moves
		session.at = this.sessions.push(session) - 1
	}

	leave(session) {
		const last = this.sessions.pop()
		if (last === session) return
		last.at = session.at
		this.sessions[last.at] = last
	}

	nearby(session, request = {}) {
		nearby(this.places, session, request, (friend, at) => { session.told[at] = 1 })
	}

	moved(user) {
		this.movedAt[user] = ++this.moves
	}

	expired(user) {
		this.moved(user)
	}

	flush() {}

	// Serves as many sessions as the time since the last turn is of the interval.
	turn() {
		const now = performance.now()
		const share = (now - this.dueAt) / this.intervalMs * this.sessions.length
		const count = Math.min(Math.floor(share), this.sessions.length)
		if (this.sessions.length === 0 || count === this.sessions.length) this.dueAt = now
		else this.dueAt += count * this.intervalMs / this.sessions.length
		for (let i = 0; i < count; i++) {
			if (this.next >= this.sessions.length) this.next = 0
			this.look(this.sessions[this.next++])
		}
	}

	look(session) {
		const { places, movedAt } = this
		const { user, friends, told, seen } = session
		let updates = '', gones = '', count = 0
		for (let i = 0; i < friends.length; i++) {
			const friend = friends[i]
			if (movedAt[friend] <= seen) continue
			const chord2 = places.has(friend) ? places.chord2(user, friend) : Infinity
			if (chord2 <= CHORD2_MAX) {
				told[i] = 1
				updates += (updates === '' ? '' : ',') + places.entries[friend] + entryEnd(chord2)
				if (++count % FRAME_ENTRIES === 0) {
					session.send(update(updates))
					updates = ''
				}
			} else if (told[i]) {
				told[i] = 0
				gones += (gones === '' ? '' : ',') +
					goneEntry(friend, chord2 === Infinity ? 'idle' : 'far')
			}
		}
		session.seen = this.moves
		if (updates !== '') session.send(update(updates))
		if (gones !== '') session.send(gone(gones))
	}
}
