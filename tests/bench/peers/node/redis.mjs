// Owns: what this server needs of Redis: SET and PUBLISH, MGET, SUBSCRIBE, each on a connection of
//   its own, so that nothing waits behind anything.
// Invariant: whatever a turn of the event loop asks of a connection leaves in one write.
// Does not know: what the values mean. Keys, channels and values are ASCII.
//
// A client of our own: in the profile the general clients spent more on a promise for each command
// than this one on everything (see ../README.md). The writing connection asks for no replies.

import { connect } from 'node:net'

const encode = (...words) => words.reduce((text, word) => `${text}$${word.length}\r\n${word}\r\n`,
	`*${words.length}\r\n`)

class Connection {
	constructor(path, onChunk) {
		this.socket = connect(path)
		this.socket.setEncoding('latin1')
		this.socket.on('data', onChunk)
		this.socket.on('error', (error) => { throw error })
		this.unsent = ''
		this.send = () => {
			this.socket.write(this.unsent, 'latin1')
			this.unsent = ''
		}
	}

	command(text) {
		if (this.unsent === '') setImmediate(this.send)
		this.unsent += text
	}
}

export class Writer {
	constructor(path) {
		this.connection = new Connection(path, () => {})
		this.connection.command(encode('CLIENT', 'REPLY', 'OFF'))
	}

	setAndPublish(user, value, ttlS) {
		const key = `u:${user}`
		const bulk = `$${key.length}\r\n${key}\r\n$${value.length}\r\n${value}\r\n`
		const ttl = `${ttlS}`
		this.connection.command(`*5\r\n$3\r\nSET\r\n${bulk}$2\r\nEX\r\n$${ttl.length}\r\n${ttl}\r\n` +
			`*3\r\n$7\r\nPUBLISH\r\n${bulk}`)
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

	// The number on the line at `at`, with the end of the line in `after`; undefined: not all here.
	number(at) {
		const end = this.text.indexOf('\r\n', at)
		if (end === -1) return undefined
		this.after = end + 2
		return Number(this.text.slice(at + 1, end))
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
			if (this.text[from] === ':' || length === -1) {
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
		this.connection.command(encode('MGET', ...Array.from(users, (user) => `u:${user}`)))
	}
}

export class Subscriber {
	// message(user, value) for each; turn() when all that arrived together was given.
	constructor(path, message, turn) {
		this.replies = new Replies()
		this.counts = new Map()
		this.connection = new Connection(path, (chunk) => {
			this.replies.feed(chunk)
			for (let bulks; (bulks = this.replies.array()) !== undefined;)
				if (bulks[0] === 'message') message(Number(bulks[1].slice(2)), bulks[2])
			turn()
		})
	}

	add(users) {
		this.change('SUBSCRIBE', users, 1, 1)
	}

	remove(users) {
		this.change('UNSUBSCRIBE', users, -1, 0)
	}

	// Redis hears of a channel when the first of our sessions comes to it and when the last leaves.
	change(verb, users, by, edge) {
		const channels = []
		for (const user of users) {
			const count = (this.counts.get(user) ?? 0) + by
			if (count === 0) this.counts.delete(user)
			else this.counts.set(user, count)
			if (count === edge) channels.push(`u:${user}`)
		}
		if (channels.length !== 0) this.connection.command(encode(verb, ...channels))
	}
}
