/*
 * Owns: the only use of wslay.
 * Invariant: wslay never sees a byte beyond the frame that the scanner is in, so its context is
 *   empty whenever the scanner stands between frames; a context that judged something wrong is
 *   never lent again.
 * Thread: the core's.
 * Does not know: see the header.
 *
 * wslay reports a frame only when its payload starts, and nothing of a header that is half read.
 * The scanner in front reads the header too: it counts what a frame still lacks, which tells when a
 * context is empty, and refuses a frame by its header alone, before anything of it is kept. Control
 * frames are shown to wslay whole: of a Close in portions it takes the first two bytes of each for
 * the code, and does not check them as text.
 */
#include "net/websocket.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <wslay/wslay.h>

enum {
	LEASE_MAGIC = 0x6c656173,
	/* 2, length 8, mask 4. */
	CLIENT_HEADER_BYTES_MAX = 14,
	OPCODE_CONTINUATION = 0,
	/* Contexts of about 9 KB that are kept for the next message. */
	LEASES_KEPT = 256,
};

struct websocket_lease {
	uint32_t magic;
	struct websocket_lease *next; /* in the pool */
	wslay_event_context_ptr wslay;

	/* What wslay may read now. */
	const uint8_t *at, *end;

	/* The frame that is being read: its header, and of a control frame all. */
	uint8_t head[CLIENT_HEADER_BYTES_MAX + WEBSOCKET_CONTROL_BYTES_MAX];
	uint8_t head_bytes;    /* read so far */
	uint64_t payload_left; /* of a data frame */

	/* The message that is being read; control frames may come in between. */
	bool in_message;
	bool is_binary;
	uint64_t message_bytes;	  /* of payload announced so far */
	struct buffer *assembled; /* NULL while the message is one piece */
	const uint8_t *piece;	  /* that piece, in wslay's buffer */
	size_t piece_bytes;

	/* For the callbacks, while feeding. */
	struct websocket_pool *pool;
	const struct websocket_sink *sink;
	void *context;
	uint16_t verdict; /* our own, 0 when none */
	bool stopped;	  /* the sink wants no more */
};

/* The opcode's highest bit. */
static bool is_control(const struct websocket_lease *lease)
{
	return (lease->head[0] & 0x08) != 0;
}

/* ---- the message that is being read --------------------------------------------------------- */

static bool assemble(struct websocket_lease *lease, const uint8_t *bytes, size_t length)
{
	uint8_t *room = buffer_reserve(lease->pool->buffers, &lease->assembled, length);
	if (room == NULL)
		return false;
	memcpy(room, bytes, length);
	lease->assembled->end += (uint32_t)length;
	return true;
}

/* The first piece is left in wslay's buffer, as it may be the whole message; when that buffer is
 * about to be used again, it must be copied after all. */
static bool save_piece(struct websocket_lease *lease)
{
	if (lease->piece == NULL)
		return true;
	const uint8_t *piece = lease->piece;
	lease->piece = NULL;
	return assemble(lease, piece, lease->piece_bytes);
}

static bool keep(struct websocket_lease *lease, const uint8_t *bytes, size_t length)
{
	if (lease->piece == NULL && lease->assembled == NULL) {
		lease->piece = bytes;
		lease->piece_bytes = length;
		return true;
	}
	return save_piece(lease) && assemble(lease, bytes, length);
}

static void message_forget(struct websocket_lease *lease)
{
	lease->in_message = false;
	lease->message_bytes = 0;
	lease->piece = NULL;
	lease->piece_bytes = 0;
	buffer_give(lease->pool->buffers, &lease->assembled);
}

/* ---- what wslay calls ----------------------------------------------------------------------- */

static ssize_t on_recv(wslay_event_context_ptr wslay, uint8_t *bytes, size_t length, int flags,
		       void *user_data)
{
	(void)flags;
	struct websocket_lease *lease = user_data;
	size_t available = (size_t)(lease->end - lease->at);
	if (available == 0) {
		wslay_event_set_error(wslay, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	if (!save_piece(lease)) {
		lease->verdict = WEBSOCKET_INTERNAL;
		wslay_event_set_error(wslay, WSLAY_ERR_CALLBACK_FAILURE);
		return -1;
	}
	if (length > available)
		length = available;
	memcpy(bytes, lease->at, length);
	lease->at += length;
	return (ssize_t)length;
}

static ssize_t on_send(wslay_event_context_ptr wslay, const uint8_t *bytes, size_t length,
		       int flags, void *user_data)
{
	(void)wslay;
	(void)flags;
	struct websocket_lease *lease = user_data;
	lease->sink->answer(lease->context, bytes, length);
	return (ssize_t)length;
}

static void on_chunk(wslay_event_context_ptr wslay,
		     const struct wslay_event_on_frame_recv_chunk_arg *chunk, void *user_data)
{
	struct websocket_lease *lease = user_data;
	if (is_control(lease) || chunk->data_length == 0)
		return;
	if (!keep(lease, chunk->data, chunk->data_length)) {
		lease->verdict = WEBSOCKET_INTERNAL;
		wslay_event_shutdown_read(wslay);
	}
}

static void on_message(wslay_event_context_ptr wslay,
		       const struct wslay_event_on_msg_recv_arg *message, void *user_data)
{
	(void)wslay;
	struct websocket_lease *lease = user_data;
	if (message->opcode != WSLAY_TEXT_FRAME && message->opcode != WSLAY_BINARY_FRAME)
		return;
	const struct buffer *assembled = lease->assembled;
	const void *bytes = assembled != NULL ? assembled->bytes : lease->piece;
	size_t length = assembled != NULL ? assembled->end : lease->piece_bytes;
	if (!lease->sink->message(lease->context, bytes == NULL ? "" : bytes, length,
				  lease->is_binary))
		lease->stopped = true;
	message_forget(lease);
}

static const struct wslay_event_callbacks callbacks = {
	.recv_callback = on_recv,
	.send_callback = on_send,
	.on_frame_recv_chunk_callback = on_chunk,
	.on_msg_recv_callback = on_message,
};

/* ---- leases --------------------------------------------------------------------------------- */

void websocket_pool_init(struct websocket_pool *pool, struct buffer_pool *buffers,
			 uint32_t message_bytes_max, bool accepts_binary)
{
	*pool = (struct websocket_pool){
		.message_bytes_max = message_bytes_max,
		.accepts_binary = accepts_binary,
		.buffers = buffers,
	};
}

static void lease_free(struct websocket_lease *lease)
{
	lease->magic = 0;
	wslay_event_context_free(lease->wslay);
	free(lease);
}

void websocket_pool_fini(struct websocket_pool *pool)
{
	check(pool->lent_count == 0);
	while (pool->free != NULL) {
		struct websocket_lease *lease = pool->free;
		pool->free = lease->next;
		lease_free(lease);
	}
}

static struct websocket_lease *lease_make(struct websocket_pool *pool)
{
	struct websocket_lease *lease = calloc(1, sizeof(*lease));
	if (lease == NULL)
		return NULL;
	if (wslay_event_context_server_init(&lease->wslay, &callbacks, lease) != 0) {
		free(lease);
		return NULL;
	}
	wslay_event_config_set_no_buffering(lease->wslay, 1);
	/* The scanner judges messages; control frames count against this too. */
	uint32_t longest = pool->message_bytes_max;
	if (longest < WEBSOCKET_CONTROL_BYTES_MAX)
		longest = WEBSOCKET_CONTROL_BYTES_MAX;
	wslay_event_config_set_max_recv_msg_length(lease->wslay, longest);
	lease->magic = LEASE_MAGIC;
	lease->pool = pool;
	return lease;
}

static struct websocket_lease *lease_take(struct websocket_pool *pool)
{
	struct websocket_lease *lease = pool->free;
	if (lease != NULL) {
		pool->free = lease->next;
		pool->free_count--;
	} else {
		lease = lease_make(pool);
	}
	if (lease != NULL)
		pool->lent_count++;
	return lease;
}

static void lease_give(struct websocket_pool *pool, struct websocket_lease **lease, bool is_clean)
{
	struct websocket_lease *it = *lease;
	*lease = NULL;
	check_object(it, LEASE_MAGIC);
	message_forget(it);
	check(pool->lent_count > 0);
	pool->lent_count--;
	if (!is_clean || pool->free_count == LEASES_KEPT) {
		lease_free(it);
		return;
	}
	it->next = pool->free;
	pool->free = it;
	pool->free_count++;
}

void websocket_fini(struct websocket_pool *pool, struct websocket *websocket)
{
	if (websocket->lease != NULL)
		lease_give(pool, &websocket->lease, false);
}

/* ---- the scanner ---------------------------------------------------------------------------- */

/* Bytes of the header, as far as its first two tell. */
static uint8_t header_length(const struct websocket_lease *lease)
{
	if (lease->head_bytes < 2)
		return 2;
	uint8_t length = 2;
	uint8_t announced = lease->head[1] & 0x7f;
	if (announced == 126)
		length += 2;
	else if (announced == 127)
		length += 8;
	return (lease->head[1] & 0x80) != 0 ? length + 4 : length;
}

static uint64_t header_payload(const struct websocket_lease *lease)
{
	uint8_t announced = lease->head[1] & 0x7f;
	unsigned bytes = announced == 126 ? 2 : announced == 127 ? 8 : 0;
	if (bytes == 0)
		return announced;
	uint64_t payload = 0;
	for (unsigned i = 0; i < bytes; i++)
		payload = payload << 8 | lease->head[2 + i];
	return payload;
}

static uint16_t judge_control(uint8_t opcode, bool is_final, uint64_t payload)
{
	bool is_known = opcode >= WEBSOCKET_CLOSE && opcode <= WEBSOCKET_PONG;
	/* A Close with half a code. */
	bool is_cut = opcode == WEBSOCKET_CLOSE && payload == 1;
	if (!is_known || is_cut || !is_final || payload > WEBSOCKET_CONTROL_BYTES_MAX)
		return WEBSOCKET_PROTOCOL;
	return 0;
}

static uint16_t judge_data(struct websocket_lease *lease, uint8_t opcode, uint64_t payload)
{
	if (opcode > WEBSOCKET_BINARY || lease->in_message != (opcode == OPCODE_CONTINUATION))
		return WEBSOCKET_PROTOCOL;
	if (opcode == WEBSOCKET_BINARY && !lease->pool->accepts_binary)
		return WEBSOCKET_UNSUPPORTED;
	if (payload > lease->pool->message_bytes_max - lease->message_bytes)
		return WEBSOCKET_TOO_BIG;
	if (opcode != OPCODE_CONTINUATION)
		lease->is_binary = opcode == WEBSOCKET_BINARY;
	lease->in_message = true;
	lease->message_bytes += payload;
	return 0;
}

/* A whole header: 0, or the code that refuses the frame. */
static uint16_t judge_header(struct websocket_lease *lease)
{
	bool is_final = (lease->head[0] & 0x80) != 0;
	bool is_masked = (lease->head[1] & 0x80) != 0;
	bool is_reserved = (lease->head[0] & 0x70) != 0;
	uint8_t opcode = lease->head[0] & 0x0f;
	uint64_t payload = header_payload(lease);
	lease->payload_left = is_control(lease) ? 0 : payload;
	uint8_t announced = lease->head[1] & 0x7f;
	bool is_padded =
		(announced == 126 && payload < 126) || (announced == 127 && payload < 65536);
	/* The highest bit of a length must be 0. */
	if (!is_masked || is_reserved || is_padded || payload >> 63 != 0)
		return WEBSOCKET_PROTOCOL;
	if (opcode >= WEBSOCKET_CLOSE)
		return judge_control(opcode, is_final, payload);
	return judge_data(lease, opcode, payload);
}

/* Bytes of the head, as far as it is known; a control frame was judged by then, so it is short. */
static uint8_t head_length(const struct websocket_lease *lease)
{
	uint8_t length = header_length(lease);
	if (lease->head_bytes >= length && is_control(lease))
		length += (uint8_t)header_payload(lease);
	return length;
}

static bool head_is_whole(const struct websocket_lease *lease)
{
	return lease->head_bytes >= 2 && lease->head_bytes == head_length(lease);
}

/* Takes what belongs to the head, and judges the header as soon as it is there. */
static size_t read_head(struct websocket_lease *lease, const uint8_t *bytes, size_t length)
{
	size_t used = 0;
	while (used < length && !head_is_whole(lease) && lease->verdict == 0) {
		lease->head[lease->head_bytes++] = bytes[used++];
		if (lease->head_bytes == header_length(lease))
			lease->verdict = judge_header(lease);
	}
	return used;
}

/* ---- feeding -------------------------------------------------------------------------------- */

static void answer_close(struct websocket_lease *lease, uint16_t code)
{
	uint8_t frame[2 + WEBSOCKET_CONTROL_BYTES_MAX];
	lease->sink->answer(lease->context, frame, websocket_close_put(frame, code, ""));
}

/* After wslay has read: sends what it wants sent, and says whether the session is over. */
static struct websocket_end settle(struct websocket_lease *lease, int result)
{
	struct websocket_end end = { .code = lease->verdict };
	if (end.code == 0 && result != 0)
		end.code = result == WSLAY_ERR_NOMEM ? WEBSOCKET_INTERNAL : WEBSOCKET_PROTOCOL;
	if (end.code != 0) {
		answer_close(lease, end.code);
		return end;
	}
	if (wslay_event_want_write(lease->wslay))
		wslay_event_send(lease->wslay);
	if (wslay_event_get_close_received(lease->wslay)) {
		end.code = wslay_event_get_status_code_received(lease->wslay);
		end.by_peer = true;
	} else if (!wslay_event_get_read_enabled(lease->wslay)) {
		end.code = wslay_event_get_status_code_sent(lease->wslay);
	}
	return end;
}

/* Lets wslay read exactly these bytes. */
static struct websocket_end show(struct websocket_lease *lease, const uint8_t *bytes, size_t length)
{
	lease->at = bytes;
	lease->end = bytes + length;
	struct websocket_end end = settle(lease, wslay_event_recv(lease->wslay));
	check(end.code != 0 || lease->at == lease->end);
	return end;
}

/* Feeds up to the end of the frame at most. */
static struct websocket_end feed_frame(struct websocket_lease *lease, const uint8_t *bytes,
				       size_t length, size_t *used)
{
	struct websocket_end end = { 0 };
	bool had_head = head_is_whole(lease);
	*used = read_head(lease, bytes, length);
	if (lease->verdict != 0)
		return settle(lease, 0);
	if (!head_is_whole(lease))
		return end;
	if (!had_head)
		end = show(lease, lease->head, lease->head_bytes);
	size_t payload = length - *used;
	if (payload > lease->payload_left)
		payload = (size_t)lease->payload_left;
	if (end.code == 0 && payload > 0)
		end = show(lease, bytes + *used, payload);
	*used += payload;
	lease->payload_left -= payload;
	if (lease->payload_left == 0)
		lease->head_bytes = 0;
	return end;
}

struct websocket_end websocket_feed(struct websocket_pool *pool, struct websocket *websocket,
				    const void *bytes, size_t length,
				    const struct websocket_sink *sink, void *context)
{
	struct websocket_end end = { 0 };
	if (length == 0)
		return end;
	if (websocket->lease == NULL)
		websocket->lease = lease_take(pool);
	struct websocket_lease *lease = websocket->lease;
	if (lease == NULL) {
		end.code = WEBSOCKET_INTERNAL;
		return end;
	}
	lease->sink = sink;
	lease->context = context;
	lease->verdict = 0;
	lease->stopped = false;
	const uint8_t *at = bytes;
	uint32_t frames = 0;
	while (length > 0 && end.code == 0 && !lease->stopped) {
		size_t used;
		end = feed_frame(lease, at, length, &used);
		frames += lease->head_bytes == 0;
		at += used;
		length -= used;
	}
	end.frames = frames;
	bool is_between = lease->head_bytes == 0 && !lease->in_message;
	if (end.code != 0)
		lease_give(pool, &websocket->lease, false);
	else if (is_between)
		lease_give(pool, &websocket->lease, true);
	return end;
}

/* ---- frames to the peer --------------------------------------------------------------------- */

size_t websocket_header_length(size_t payload_bytes)
{
	return payload_bytes <= 125 ? 2 : payload_bytes <= UINT16_MAX ? 4 : 10;
}

size_t websocket_header_put(uint8_t header[WEBSOCKET_HEADER_BYTES_MAX],
			    enum websocket_opcode opcode, size_t payload_bytes)
{
	size_t length = websocket_header_length(payload_bytes);
	header[0] = 0x80 | (uint8_t)opcode;
	header[1] = length == 2 ? (uint8_t)payload_bytes : length == 4 ? 126 : 127;
	for (size_t i = length - 1; i >= 2; i--) {
		header[i] = (uint8_t)payload_bytes;
		payload_bytes >>= 8;
	}
	return length;
}

size_t websocket_close_put(uint8_t frame[2 + WEBSOCKET_CONTROL_BYTES_MAX], unsigned code,
			   const char *text)
{
	size_t text_bytes = strlen(text);
	if (text_bytes > WEBSOCKET_CONTROL_BYTES_MAX - 2)
		text_bytes = WEBSOCKET_CONTROL_BYTES_MAX - 2;
	frame[0] = 0x80 | WEBSOCKET_CLOSE;
	frame[1] = (uint8_t)(2 + text_bytes);
	frame[2] = (uint8_t)(code >> 8);
	frame[3] = (uint8_t)code;
	memcpy(frame + 4, text, text_bytes);
	return 4 + text_bytes;
}
