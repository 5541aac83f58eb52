/*
 * Owns: the proof that what a fleet's clients say goes out whole and in order, whatever the sockets take
 *   at once, and that they hear whole messages, however they come.
 * Invariant: a test waits for what it asked for, and for nothing else.
 * Thread: one, which plays the server, too.
 * Does not know: what the messages mean.
 */
#include "bench/batch.h"
#include "bench/fleet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS 3
#define WAIT_US 10000
#define TURNS_MAX 1000

/* ---- batches ---------------------------------------------------------------------------------- */

static void note(void *context, uint64_t tag, int result)
{
	((int *)context)[tag] = result;
}

static void a_batch_sends_and_receives_in_order_and_waits_for_nothing(void **state)
{
	(void)state;
	struct batch *batch;
	int ends[2], results[5] = { 0 };
	char text[] = "anbc", heard[8] = "";
	assert_int_equal(batch_open(&batch, 8), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	for (int round = 0; round < 5; round++) {
		batch_receive(batch, ends[1], heard, 8, 0);
		batch_send(batch, ends[0], text, 1, 1);
		batch_extend(batch, 1);
		batch_send(batch, ends[0], text + 2, 2, 2);
		batch_receive(batch, ends[1], heard, 3, 3);
		batch_receive(batch, ends[1], heard + 3, 5, 4);
		assert_int_equal(batch_run(batch, note, results), 0);
		const int wanted[] = { -EAGAIN, 2, 2, 3, 1 };
		assert_memory_equal(results, wanted, sizeof(wanted));
		assert_string_equal(heard, "anbc");
	}
	close(ends[1]);
	batch_send(batch, ends[0], text, 4, 0);
	batch_receive(batch, ends[0], heard, 8, 1);
	assert_int_equal(batch_run(batch, note, results), 0);
	assert_int_equal(results[0], -EPIPE);
	assert_int_equal(results[1], 0);
	close(ends[0]);
	batch_close(&batch);
}

/* ---- a server of few words -------------------------------------------------------------------- */

struct stage {
	struct fleet *fleet;
	int listener, peers[CLIENTS]; /* the server's end of each client */
	uint32_t opened, heard, ended;
	size_t heard_bytes;
	const char *drops; /* who hears this drops itself */
};

static void on_opened(void *context, uint32_t client)
{
	(void)client;
	((struct stage *)context)->opened++;
}

static void on_text(void *context, uint32_t client, const char *text, size_t length, uint64_t now_us)
{
	struct stage *stage = context;
	assert_true(now_us > 0);
	stage->heard++;
	stage->heard_bytes += length;
	if (stage->drops != NULL && length == strlen(stage->drops)) {
		fleet_drop(stage->fleet, client);
		/* What was lent is there still. */
		assert_memory_equal(text, stage->drops, length);
	}
}

static void on_pong(void *context, uint32_t client)
{
	(void)context;
	(void)client;
}

static void on_ended(void *context, uint32_t client, const struct fleet_end *end)
{
	(void)client;
	(void)end;
	((struct stage *)context)->ended++;
}

static const struct fleet_handler HANDLER = { on_opened, on_text, on_pong, on_ended };

static void poll_until(struct stage *stage, const uint32_t *count, uint32_t wanted)
{
	for (int turn = 0; *count < wanted; turn++) {
		assert_true(turn < TURNS_MAX);
		assert_int_equal(fleet_poll(stage->fleet, WAIT_US), 0);
	}
	assert_int_equal(*count, wanted);
}

static void welcome(struct stage *stage, uint32_t client)
{
	static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\n"
				     "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
	char request[4096];
	assert_int_equal(fleet_connect(stage->fleet, client, NULL), 0);
	stage->peers[client] = accept(stage->listener, NULL, NULL);
	assert_true(stage->peers[client] >= 0);
	assert_int_equal(fleet_poll(stage->fleet, WAIT_US), 0);
	assert_true(recv(stage->peers[client], request, sizeof(request), 0) > 0);
	assert_int_equal(send(stage->peers[client], answer, sizeof(answer) - 1, 0), sizeof(answer) - 1);
	poll_until(stage, &stage->opened, client + 1);
}

static struct stage *stage_open(void)
{
	struct stage *stage = calloc(1, sizeof(*stage));
	char name[32];
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t at_bytes = sizeof(at);
	assert_non_null(stage);
	stage->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(stage->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(stage->listener, CLIENTS), 0);
	assert_int_equal(getsockname(stage->listener, (struct sockaddr *)&at, &at_bytes), 0);
	struct fleet_config config = { .clients_max = CLIENTS, .path = "/", .handler = &HANDLER, .context = stage };
	snprintf(name, sizeof(name), "127.0.0.1:%u", ntohs(at.sin_port));
	assert_int_equal(address_resolve(&config.target, name), 0);
	assert_int_equal(fleet_open(&stage->fleet, &config), 0);
	for (uint32_t client = 0; client < CLIENTS; client++)
		welcome(stage, client);
	return stage;
}

static void stage_close(struct stage *stage)
{
	fleet_close(&stage->fleet);
	for (uint32_t client = 0; client < CLIENTS; client++)
		close(stage->peers[client]);
	close(stage->listener);
	free(stage);
}

/* Reads so many bytes, while the fleet goes on. */
static void peer_read(struct stage *stage, uint32_t client, uint8_t *bytes, size_t length)
{
	for (size_t got = 0; got < length;) {
		assert_int_equal(fleet_poll(stage->fleet, 0), 0);
		ssize_t more = recv(stage->peers[client], bytes + got, length - got, MSG_DONTWAIT);
		if (more < 0)
			assert_int_equal(errno, EAGAIN);
		got += more > 0 ? (size_t)more : 0;
	}
}

/* Reads one message of a client, of 126 to 65,535 bytes, all of them `letter`. */
static void peer_hears(struct stage *stage, uint32_t client, char letter, size_t length)
{
	static uint8_t bytes[8 + UINT16_MAX];
	peer_read(stage, client, bytes, 8 + length);
	assert_int_equal(bytes[0], 0x80 | FRAME_TEXT);
	assert_int_equal(bytes[1], 0x80 | 126);
	assert_int_equal(bytes[2] << 8 | bytes[3], length);
	for (size_t i = 0; i < length; i++)
		assert_int_equal(bytes[8 + i] ^ bytes[4 + i % 4], letter);
}

static bool says(struct stage *stage, uint32_t client, char letter, size_t length)
{
	char text[4096];
	memset(text, letter, length);
	return fleet_send(stage->fleet, client, text, length);
}

/* Sends the client a message of so many bytes. */
static void peer_says(struct stage *stage, uint32_t client, uint32_t length)
{
	uint8_t *bytes = calloc(1, 10 + length);
	assert_non_null(bytes);
	bytes[0] = 0x80 | FRAME_TEXT;
	bytes[1] = 127;
	for (unsigned i = 0; i < 4; i++)
		bytes[6 + i] = (uint8_t)(length >> (24 - 8 * i));
	memset(bytes + 10, 'x', length);
	for (uint32_t sent = 0; sent < 10 + length;) {
		ssize_t more = send(stage->peers[client], bytes + sent, 10 + length - sent, MSG_DONTWAIT);
		sent += more > 0 ? (uint32_t)more : 0;
		assert_int_equal(fleet_poll(stage->fleet, 0), 0);
	}
	free(bytes);
}

/* ---- what is said ----------------------------------------------------------------------------- */

static void what_several_say_before_a_poll_goes_out_in_order(void **state)
{
	(void)state;
	struct stage *stage = stage_open();
	for (uint32_t client = 0; client < CLIENTS; client++)
		for (char letter = 'a'; letter < 'f'; letter++)
			assert_true(says(stage, client, letter, 200));
	/* One that is behind another's by now, too. */
	assert_false(fleet_is_drained(stage->fleet, 2));
	assert_true(says(stage, 0, 'f', 200));
	assert_true(says(stage, 1, 'f', 200));
	assert_int_equal(fleet_poll(stage->fleet, WAIT_US), 0);
	assert_true(fleet_is_drained(stage->fleet, 2));
	for (uint32_t client = 0; client < 2; client++)
		for (char letter = 'a'; letter <= 'f'; letter++)
			peer_hears(stage, client, letter, 200);
	stage_close(stage);
}

static void what_the_socket_does_not_take_follows_later_and_whole(void **state)
{
	(void)state;
	struct stage *stage = stage_open();
	uint32_t said = 0;
	while (says(stage, 1, (char)('a' + said % 26), 4000)) {
		said++;
		assert_int_equal(fleet_poll(stage->fleet, 0), 0);
	}
	assert_false(fleet_is_drained(stage->fleet, 1));
	for (uint32_t i = 0; i < said; i++)
		peer_hears(stage, 1, (char)('a' + i % 26), 4000);
	assert_true(fleet_is_drained(stage->fleet, 1));
	assert_true(says(stage, 1, 'z', 200));
	peer_hears(stage, 1, 'z', 200);
	stage_close(stage);
}

static void who_is_dropped_says_what_it_said_and_is_not_told_of(void **state)
{
	(void)state;
	struct stage *stage = stage_open();
	assert_true(says(stage, 0, 'a', 200));
	fleet_shut(stage->fleet, 0);
	fleet_drop(stage->fleet, 1);
	assert_false(says(stage, 1, 'a', 200));
	peer_hears(stage, 0, 'a', 200);
	close(stage->peers[0]);
	poll_until(stage, &stage->ended, 1);
	assert_int_equal(fleet_open_count(stage->fleet), 1);
	stage_close(stage);
}

/* ---- what is heard ---------------------------------------------------------------------------- */

static void large_messages_and_many_small_ones_are_heard_whole(void **state)
{
	(void)state;
	struct stage *stage = stage_open();
	peer_says(stage, 0, 1000000);
	poll_until(stage, &stage->heard, 1);
	for (int i = 0; i < 100; i++)
		peer_says(stage, 1, 1000);
	peer_says(stage, 2, 70000);
	poll_until(stage, &stage->heard, 102);
	assert_int_equal(stage->heard_bytes, 1000000 + 100 * 1000 + 70000);
	assert_true(fleet_received_bytes(stage->fleet) > stage->heard_bytes);
	stage_close(stage);
}

static void who_hears_may_drop_itself(void **state)
{
	(void)state;
	struct stage *stage = stage_open();
	uint8_t whole[] = { 0x81, 3, 'b', 'y', 'e', 0x81, 3, 'b', 'y', 'e' };
	stage->drops = "bye";
	assert_int_equal(send(stage->peers[0], whole, sizeof(whole), 0), sizeof(whole));
	poll_until(stage, &stage->heard, 1);
	/* In two parts. */
	assert_int_equal(send(stage->peers[1], whole, 3, 0), 3);
	assert_int_equal(fleet_poll(stage->fleet, WAIT_US), 0);
	assert_int_equal(send(stage->peers[1], whole + 3, 2, 0), 2);
	poll_until(stage, &stage->heard, 2);
	assert_int_equal(fleet_open_count(stage->fleet), 1);
	assert_int_equal(stage->ended, 0);
	stage_close(stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_batch_sends_and_receives_in_order_and_waits_for_nothing),
		cmocka_unit_test(what_several_say_before_a_poll_goes_out_in_order),
		cmocka_unit_test(what_the_socket_does_not_take_follows_later_and_whole),
		cmocka_unit_test(who_is_dropped_says_what_it_said_and_is_not_told_of),
		cmocka_unit_test(large_messages_and_many_small_ones_are_heard_whole),
		cmocka_unit_test(who_hears_may_drop_itself),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
