// Owns: who is whose friend, read from the file that `nearby-bench load --write-friends` writes.
// Invariant: the file is whole; of it only where each user's friends start is kept in memory.
// Does not know: who is connected.
//
// It stands for the users' SQL database, and is faster: one pread from the page cache a question.
// The file is little-endian: "NBFRIEND", u32 version 1, u32 users, then for each user, whose id is
// its place in the file, u32 count and count u32 ids. Friends who never connect may have ids beyond
// the last of these: `users` is one more than the highest of all.

import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

const HEAD_BYTES = 16
const WINDOW_BYTES = 1 << 22

export class Graph {
	constructor(path) {
		this.file = openSync(path, 'r')
		this.bytes = fstatSync(this.file).size
		this.window = new DataView(new ArrayBuffer(WINDOW_BYTES))
		this.windowAt = -WINDOW_BYTES
		const magic = Buffer.alloc(8)
		readSync(this.file, magic, 0, 8, 0)
		if (magic.toString('latin1') !== 'NBFRIEND' || this.word(8) !== 1)
			throw new Error(`${path}: no file of friendships, version 1`)
		this.users = this.word(12)
		this.index()
	}

	word(at) {
		if (at < this.windowAt || at + 4 > this.windowAt + WINDOW_BYTES) {
			this.windowAt = at
			readSync(this.file, this.window, 0, WINDOW_BYTES, at)
		}
		if (at + 4 > this.bytes) throw new Error('the file of friendships ends early')
		return this.window.getUint32(at - this.windowAt, true)
	}

	index() {
		const listed = this.users
		this.starts = new Float64Array(listed + 1)
		let at = HEAD_BYTES
		for (let user = 0; user < listed; user++) {
			this.starts[user] = at
			const end = at + 4 + 4 * this.word(at)
			for (at += 4; at < end; at += 4) this.users = Math.max(this.users, this.word(at) + 1)
		}
		if (at !== this.bytes) throw new Error('the file of friendships is of another length')
		this.starts[listed] = at
		this.window = undefined
	}

	friendsOf(user) {
		if (user + 1 >= this.starts.length) return new Uint32Array(0)
		const start = this.starts[user] + 4
		const friends = new Uint32Array((this.starts[user + 1] - start) / 4)
		readSync(this.file, friends, 0, friends.byteLength, start)
		return friends
	}

	close() {
		closeSync(this.file)
	}
}
