// Owns: the command line that all peers share.
// Invariant: what it gives is whole and in range, or the program has ended with a word and 2.
// Does not know: what the values are for.

const usage = 'usage: serve --port=PORT --interval-ms=MS --friends=FILE'

function die(text) {
	console.error(text)
	process.exit(2)
}

function integer(name, text, min, max) {
	const value = Number(text)
	if (!Number.isInteger(value) || value < min || value > max)
		die(`--${name} is ${min} to ${max}, not ${text}`)
	return value
}

export function readOptions(argv) {
	const given = { 'interval-ms': '0' }
	for (const argument of argv) {
		const [, name, value] = /^--(port|interval-ms|friends)=(.+)$/.exec(argument) ?? die(usage)
		given[name] = value
	}
	if (given.port === undefined || given.friends === undefined) die(usage)
	return {
		port: integer('port', given.port, 1, 65535),
		intervalMs: integer('interval-ms', given['interval-ms'], 0, 600000),
		friends: given.friends,
	}
}
