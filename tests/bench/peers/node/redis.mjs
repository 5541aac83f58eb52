// Owns: what this server needs of Redis: SET and PUBLISH, MGET, SUBSCRIBE, each on a connection of
//   its own, so that nothing waits behind anything.
// Invariant: whatever a turn of the event loop asks of a connection leaves in one write; of what is
//   not urgent, whatever some milliseconds ask.
// Does not know: what the values mean. Keys, channels and values are ASCII.
//
// A client of our own: in the profile the general clients spent more on a promise for each command
// than this one on everything (see ../README.md). The writing connection asks for no replies.

import { connect } from 'node:net'

const [MINUS, ZERO, COLON] = [...'-0:'].map((character) => character.charCodeAt(0))

const bulk = (word) => `$${word.length}\r\n${word}\r\n`
const bulks = [] // of users' keys, which are their channels, too: made once

function bulkOf(user) {
	return bulks[user] ??= bulk(`u:${user}`)
}

// A verb about users.
function encode(verb, users) {
	let text = `*${1 + users.length}\r\n${bulk(verb)}`
	for (let i = 0; i < users.length; i++) text += bulkOf(users[i])
	return text
}

// Whether somebody listens there.
export function answers(path) {
	return new Promise((resolve) => {
		const socket = connect(path, () => {
			socket.destroy()
			resolve(true)
		})
		socket.on('error', () => resolve(false))
	})
}

class Connection {
	constructor(path, onChunk, delayMs = 0) {
		this.delayMs = delayMs
		this.socket = connect(path)
		this.socket.setEncoding('latin1')
		this.socket.on('data', onChunk)
		this.socket.on('error', (error) => { throw error })
		this.unsent = ''
		this.send = () => {
			if (this.unsent !== '') this.socket.write(this.unsent, 'latin1')
			this.unsent = ''
		}
	}

	command(text) {
		if (this.unsent === '') {
			if (this.delayMs === 0) setImmediate(this.send)
			else setTimeout(this.send, this.delayMs)
		}
		this.unsent += text
	}
}

export class Writer {
	constructor(path, ttlS, delayMs) {
		this.connection = new Connection(path, () => {}, delayMs)
		this.connection.command(`*3\r\n${bulk('CLIENT')}${bulk('REPLY')}${bulk('OFF')}`)
		this.set = `*5\r\n${bulk('SET')}`
		this.expiry = bulk('EX') + bulk(`${ttlS}`)
		this.publish = `*3\r\n${bulk('PUBLISH')}`
	}

	// What is urgent takes along all that waits.
	setAndPublish(user, value, isUrgent) {
		const what = bulkOf(user) + bulk(value)
		this.connection.command(this.set + what + this.expiry + this.publish + what)
		if (isUrgent) this.connection.send()
	}
}

// Splits the latin1 text of a RESP stream into lines and bulks.
class Replies {
	constructor() {
		this.text = ''
		this.at = 0
	}

	feed(chunk) {
		this.text = this.at === this.text.length ? chunk : this.text.slice(this.at) + chunk
		this.at = 0
	}

	// The number behind the first character of the line at `at`, -1 if it is below 0, with the end of
	// the line in `after`; undefined: not all here.
	number(at) {
		const end = this.text.indexOf('\r\n', at)
		if (end === -1) return undefined
		this.after = end + 2
		if (this.text.charCodeAt(at + 1) === MINUS) return -1
		let number = 0
		for (let i = at + 1; i < end; i++) number = 10 * number + this.text.charCodeAt(i) - ZERO
		return number
	}

	// An array of bulks (null for one that is not there), or undefined and nothing taken.
	array() {
		const count = this.number(this.at)
		if (count === undefined) return undefined
		const bulks = new Array(count)
		for (let i = 0; i < count; i++) {
			const from = this.after
			const length = this.number(from)
			if (length === undefined) return undefined
			if (length === -1 || this.text.charCodeAt(from) === COLON) {
				bulks[i] = null
				continue
			}
			const start = this.after
			this.after = start + length + 2
			if (this.after > this.text.length) return undefined
			bulks[i] = this.text.slice(start, start + length)
		}
		this.at = this.after
		return bulks
	}
}

export class Reader {
	constructor(path) {
		this.replies = new Replies()
		this.waiting = []
		this.connection = new Connection(path, (chunk) => this.feed(chunk))
	}

	feed(chunk) {
		this.replies.feed(chunk)
		for (let values; (values = this.replies.array()) !== undefined;) this.waiting.shift()(values)
	}

	// answer(values) gets one a user, null for those who have none.
	get(users, answer) {
		if (users.length === 0) return answer([])
		this.waiting.push(answer)
		this.connection.command(encode('MGET', users))
	}
}

export class Subscriber {
	// message(user, value) for each; turn() when all that arrived together was given.
	constructor(path, users, message, turn) {
		this.replies = new Replies()
		this.counts = new Uint32Array(users)
		this.waiting = []
		this.connection = new Connection(path, (chunk) => {
			this.replies.feed(chunk)
			for (let bulks; (bulks = this.replies.array()) !== undefined;) {
				if (bulks[0] === 'message') message(Number(bulks[1].slice(2)), bulks[2])
				else if (bulks[0] === 'pong') this.waiting.shift()()
			}
			turn()
		})
	}

	// Redis hears of a channel when the first of our sessions comes to it, and when the last leaves.
	// done() when no message of the channels can be missed any more.
	add(users, done) {
		if (users.length === 0) return done()
		const first = users.filter((user) => this.counts[user]++ === 0)
		if (first.length !== 0) this.connection.command(encode('SUBSCRIBE', first))
		this.waiting.push(done)
		this.connection.command(`*1\r\n${bulk('PING')}`)
	}

	remove(users) {
		const last = users.filter((user) => --this.counts[user] === 0)
		if (last.length !== 0) this.connection.command(encode('UNSUBSCRIBE', last))
	}
}
