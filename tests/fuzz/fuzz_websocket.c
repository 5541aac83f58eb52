/*
 * Owns: the fuzz target of the WebSocket byte machine.
 * Invariant: whatever comes, in whatever portions, the machine hears and answers the same, keeps its
 *   bounds and gives everything back.
 * Thread: one.
 * Does not know: sockets.
 */
#include "base/check.h"
#include "base/id.h"
#include "net/websocket.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

enum { MESSAGE_BYTES_MAX = 300 };

static bool hear_message(void *context, const void *bytes, size_t length, bool is_binary)
{
	uint64_t *heard = context;
	check(length <= MESSAGE_BYTES_MAX);
	*heard = hash_u64(*heard + length + is_binary);
	for (size_t i = 0; i < length; i++)
		*heard = hash_u64(*heard + ((const uint8_t *)bytes)[i]);
	return true;
}

static void hear_answer(void *context, const void *bytes, size_t length)
{
	uint64_t *heard = context;
	check(length <= 2 + WEBSOCKET_CONTROL_BYTES_MAX);
	for (size_t i = 0; i < length; i++)
		*heard = hash_u64(*heard + 256 + ((const uint8_t *)bytes)[i]);
}

/* A number for all that was heard and answered, whatever the portions. */
static uint64_t hear(const uint8_t *data, size_t size, size_t portion, bool accepts_binary)
{
	static const struct websocket_sink sink = { .message = hear_message,
						    .answer = hear_answer };
	struct buffer_pool buffers = { 0 };
	struct websocket_pool pool;
	struct websocket websocket = { 0 };
	struct websocket_end end = { 0 };
	uint64_t heard = 0;
	websocket_pool_init(&pool, &buffers, MESSAGE_BYTES_MAX, accepts_binary);
	for (size_t at = 0; at < size && end.code == 0; at += portion) {
		size_t length = size - at < portion ? size - at : portion;
		end = websocket_feed(&pool, &websocket, data + at, length, &sink, &heard);
	}
	check(end.code == 0 || websocket.lease == NULL);
	websocket_fini(&pool, &websocket);
	websocket_pool_fini(&pool);
	buffer_pool_fini(&buffers);
	return hash_u64(heard + end.code + end.by_peer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	bool accepts_binary = data[0] % 2 == 0;
	uint64_t whole = hear(data + 1, size - 1, size, accepts_binary);
	check(hear(data + 1, size - 1, 1, accepts_binary) == whole);
	check(hear(data + 1, size - 1, 7, accepts_binary) == whole);
	return 0;
}
