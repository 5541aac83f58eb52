// Owns: the usual design: WebSocket sessions in node, Redis for the latest places and for Pub/Sub.
// Invariant: nothing of a friend is sent that did not come through Redis.
// Does not know: how texts are put together; see ../common.

import { createRequire } from 'node:module'
import { createServer } from 'node:http'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AtOnce, Paced } from '../common/feed.mjs'
import { Graph } from '../common/graph.mjs'
import { readOptions } from '../common/options.mjs'
import { Places } from '../common/places.mjs'
import { SUBPROTOCOL, TTL_S, UNSENT_BYTES_MAX, isLocation, isPageRequest, userOf, welcome }
	from '../common/session.mjs'
import { Reader, Subscriber, Writer, answers } from './redis.mjs'

const { WebSocketServer } = createRequire(join(process.env.PEERS_MODULES, 'here.js'))('ws')

const options = readOptions(process.argv.slice(2))
const graph = new Graph(options.friends)
const places = new Places(graph.users)
const feed = options.intervalMs === 0 ? new AtOnce(places, graph.users, true)
	: new Paced(places, graph.users, options.intervalMs)

/* ---- Redis ----------------------------------------------------------------------------------- */

const folder = mkdtempSync(join(tmpdir(), 'nearby-peer-'))
const socketPath = join(folder, 'redis')
// It ends with us, whatever ends us.
const redis = spawn('setpriv', ['--pdeathsig', 'KILL', 'redis-server', '--port', '0',
	'--unixsocket', socketPath, '--save', '', '--appendonly', 'no', '--dir', folder,
	'--client-output-buffer-limit', 'pubsub', '256mb', '64mb', '60'], { stdio: 'ignore' })
process.on('exit', () => {
	redis.kill('SIGKILL')
	rmSync(folder, { recursive: true, force: true })
})
redis.on('exit', (status) => {
	console.error(`redis-server ended with ${status}`)
	process.exit(1)
})
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0))

for (let tries = 0; !await answers(socketPath); tries++) {
	if (tries === 1000) throw new Error('redis-server does not start')
	await new Promise((resolve) => setTimeout(resolve, 10))
}

// Where followers wait for an interval anyway, a part of it saves most of the wake-ups of Redis.
const writer = new Writer(socketPath, TTL_S, Math.min(20, options.intervalMs / 50))
const reader = new Reader(socketPath)
const subscriber = new Subscriber(socketPath, graph.users, (user, value) => {
	put(user, value)
	feed.moved(user)
}, () => feed.flush())

// A value is "lat,lon,ts".
function put(user, value) {
	const second = value.indexOf(',')
	const third = value.indexOf(',', second + 1)
	places.put(user, value.slice(0, second), value.slice(second + 1, third), value.slice(third + 1))
}

/* ---- sessions -------------------------------------------------------------------------------- */

class Session {
	constructor(user, ws, socket) {
		this.user = user
		this.ws = ws
		this.socket = socket
		this.friends = null // until the first location
		this.joined = false // until their places are known
	}

	// The frame's head as Latin-1 characters before the text, in one write that makes no buffer: a
	// fifth less work than ws.send. All that is sent is ASCII.
	send(text) {
		const length = text.length
		const head = length < 126 ? String.fromCharCode(0x81, length)
			: length < 65536 ? String.fromCharCode(0x81, 126, length >> 8, length & 255)
				: String.fromCharCode(0x81, 127, 0, 0, 0, 0, length >>> 24, length >> 16 & 255,
					length >> 8 & 255, length & 255)
		this.socket.write(head + text, 'latin1')
		if (this.socket.writableLength > UNSENT_BYTES_MAX) this.ws.terminate()
	}
}

const sessions = new Map()

// Follows the friends first and asks for their places then, so that no move falls between.
function begin(session) {
	session.friends = graph.friendsOf(session.user)
	subscriber.add(session.friends, () => {
		if (isHere(session)) reader.get(session.friends, (values) => enter(session, values))
	})
}

function enter(session, values) {
	if (!isHere(session)) return
	values.forEach((value, at) => {
		if (value === null) places.drop(session.friends[at])
		else put(session.friends[at], value)
	})
	feed.join(session)
	feed.nearby(session)
	session.joined = true
}

function isHere(session) {
	return sessions.get(session.user) === session
}

function end(session) {
	if (isHere(session)) sessions.delete(session.user)
	if (session.joined) feed.leave(session)
	if (session.friends !== null) subscriber.remove(session.friends)
}

function receive(session, data) {
	const message = JSON.parse(data.latin1Slice())
	if (session.joined && isPageRequest(message)) feed.nearby(session, message)
	if (!isLocation(message)) return
	const { user } = session
	const ts = message.ts ?? Date.now()
	places.put(user, message.lat, message.lon, ts)
	const isFirst = session.friends === null
	writer.setAndPublish(user, `${message.lat},${message.lon},${ts}`, isFirst)
	if (isFirst) begin(session)
}

function accept(user, ws, socket) {
	const session = new Session(user, ws, socket)
	sessions.get(user)?.ws.terminate()
	sessions.set(user, session)
	ws.on('message', (data) => {
		try {
			receive(session, data)
		} catch {
			ws.close(1008)
		}
	})
	ws.on('close', () => end(session))
	ws.on('error', () => {})
	session.send(welcome(user))
}

const upgrader = new WebSocketServer({ noServer: true, perMessageDeflate: false,
	clientTracking: false, skipUTF8Validation: true, maxPayload: 65536,
	handleProtocols: (offered) => offered.has(SUBPROTOCOL) && SUBPROTOCOL })
const server = createServer((request, response) => response.writeHead(404).end())
server.on('upgrade', (request, socket, head) => {
	const user = userOf(request.url, request.headers.authorization, graph.users)
	if (user === -1) return socket.end('HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n')
	upgrader.handleUpgrade(request, socket, head, (ws) => accept(user, ws, socket))
})
server.listen({ port: options.port, host: '127.0.0.1', backlog: 16384 },
	() => console.log('ready'))
