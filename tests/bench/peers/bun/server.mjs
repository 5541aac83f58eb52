// Owns: everything in one process: Bun's WebSocket server, places with their time to live, friends'
//   feeds.
// Invariant: a session whose user has no place follows nobody.
// Does not know: how texts are put together; see ../common.

import { AtOnce, Paced } from '../common/feed.mjs'
import { Graph } from '../common/graph.mjs'
import { readOptions } from '../common/options.mjs'
import { Places } from '../common/places.mjs'
import { SUBPROTOCOL, TTL_S, UNSENT_BYTES_MAX, isLocation, isPageRequest, userOf, welcome }
	from '../common/session.mjs'

const SWEEP_MS = 5000

const options = readOptions(process.argv.slice(2))
const graph = new Graph(options.friends)
const places = new Places(graph.users)
const receivedAt = new Float64Array(graph.users) // ms; of those who have a place
const feed = options.intervalMs === 0 ? new AtOnce(places, graph.users, false)
	: new Paced(places, graph.users, options.intervalMs)
const sessions = new Array(graph.users).fill(null)

class Session {
	constructor(user) {
		this.user = user
		this.ws = null
		this.friends = null // until the first location
	}

	send(text) {
		this.ws.send(text)
	}
}

function begin(session) {
	session.friends = graph.friendsOf(session.user)
	feed.join(session)
	feed.nearby(session)
}

function end(session) {
	if (session.friends !== null) feed.leave(session)
	session.friends = null
}

function receive(session, text) {
	const message = JSON.parse(text)
	if (session.friends !== null && isPageRequest(message)) feed.nearby(session, message)
	if (!isLocation(message)) return
	const { user } = session
	const now = performance.now()
	places.put(user, message.lat, message.lon, message.ts ?? Date.now())
	receivedAt[user] = now
	if (session.friends === null) begin(session)
	feed.moved(user)
	if (options.intervalMs === 0) flushSoon()
}

let flushes = false
function flush() {
	flushes = false
	feed.flush()
}
function flushSoon() {
	if (flushes) return
	flushes = true
	setImmediate(flush)
}

setInterval(() => {
	const oldest = performance.now() - TTL_S * 1000
	for (let user = 0; user < receivedAt.length; user++) {
		if (receivedAt[user] > oldest || !places.has(user)) continue
		places.drop(user)
		feed.expired(user)
		if (sessions[user] !== null) end(sessions[user])
	}
	feed.flush()
}, SWEEP_MS)

Bun.serve({
	hostname: '127.0.0.1',
	port: options.port,
	fetch(request, server) {
		const user = userOf(request.url, request.headers.get('authorization'), graph.users)
		if (user === -1) return new Response(null, { status: 401 })
		const offered = request.headers.get('sec-websocket-protocol')
		const headers = offered?.includes(SUBPROTOCOL) ? { 'sec-websocket-protocol': SUBPROTOCOL } : {}
		if (server.upgrade(request, { data: new Session(user), headers })) return undefined
		return new Response(null, { status: 426 })
	},
	websocket: {
		perMessageDeflate: false,
		sendPings: false,
		idleTimeout: 0,
		maxPayloadLength: 65536,
		backpressureLimit: UNSENT_BYTES_MAX,
		closeOnBackpressureLimit: true,
		open(ws) {
			const session = ws.data
			session.ws = ws
			sessions[session.user]?.ws.close()
			sessions[session.user] = session
			session.send(welcome(session.user))
		},
		message(ws, text) {
			try {
				receive(ws.data, text)
			} catch {
				ws.close(1008)
			}
		},
		close(ws) {
			const session = ws.data
			end(session)
			if (sessions[session.user] === session) sessions[session.user] = null
		},
	},
})
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0))
console.log('ready')
