/*
 * Owns: a server that sends every message back, on the network layer of nearbyd.
 * Invariant: connections are dealt out to the cores in turn, so most of them are handed over.
 * Thread: one for each core; the counters are read by the core that is asked for them.
 * Does not know: anything of nearbyd but its network layer.
 *
 * For conformance suites, and for the tests of the layer, which need more than echo:
 *   GET  /            upgrade: echoes messages
 *   GET  /flood       upgrade: sends frames for as long as there is room
 *   GET  /shut        upgrade: answers the first message with Close 4001
 *   GET  /peer        the client's address; upgrade: the same, for each message
 *   GET  /counters    all counters, summed over the cores, "name value" lines
 *   POST /echo        sends the body back as it comes
 *   GET  /stream      4 MiB in parts
 */
#include "base/check.h"
#include "base/clock.h"
#include "net/net.h"
#include "net/tls.h"

#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { CORES_MAX = 64, STREAM_BYTES = 4 << 20, FLOOD_BYTES = 16 * 1024 };

/* What a connection does; its cookie, and the baggage of a handover. */
enum mode { MODE_ECHO = 1, MODE_FLOOD, MODE_SHUT, MODE_PEER, MODE_BODY, MODE_STREAM };

struct core {
	uint32_t number;
	pthread_t thread;
	struct net *net;
	const char *reason; /* why it could not start */
	uint32_t next_core;
	counter_word counters[NET_COUNTER_COUNT];
	counter_word close_counters[CLOSE_REASON_COUNT];
};

static struct core cores[CORES_MAX];
static struct net *nets[CORES_MAX];
static uint32_t core_count = 1;
static atomic_bool stopping;
/* All cores and the main thread. */
static pthread_barrier_t opened, stopped;
static char address[64];
static const char *unix_path;
static uint16_t port;
static const char *proxies_text;
static struct address_block proxies;
static struct tls_files tls_files;
static struct tickets *tickets;
static struct tls_server *tls_server;
static struct net_config settings = {
	.connections_max = 10000,
	.handshake_timeout_ms = 10000,
	.request_timeout_ms = 30000,
	.ping_interval_ms = 30000,
	.pong_timeout_ms = 10000,
	.send_timeout_ms = 10000,
	.close_timeout_ms = 5000,
	.head_bytes_max = NET_REQUEST_BYTES_MAX,
	.message_bytes_max = 16 << 20,
	.message_timeout_ms = 30000,
};

/* ---- WebSocket ------------------------------------------------------------------------------ */

static void flood(struct core *core, struct conn_id conn)
{
	while (net_send_room(core->net, conn)) {
		struct writer *frame = net_frame_begin(core->net, conn, FLOOD_BYTES);
		if (frame == NULL)
			return;
		memset(frame->at, 'x', FLOOD_BYTES);
		frame->at += FLOOD_BYTES;
		net_frame_commit(core->net, conn);
	}
}

static void open_websocket(struct core *core, struct conn_id conn, enum mode mode)
{
	net_set_cookie(core->net, conn, mode);
	net_upgrade(core->net, conn, NULL);
	if (mode == MODE_FLOOD)
		flood(core, conn);
}

static void on_adopted(void *context, struct conn_id conn, void *baggage)
{
	open_websocket(context, conn, (enum mode)(uintptr_t)baggage);
}

static void on_handover_failed(void *context, void *baggage)
{
	(void)context;
	(void)baggage;
}

/* False when what waits for the peer has reached its bound: then it gets no echo, but a Close. */
static bool echo(struct core *core, struct conn_id conn, const void *bytes, size_t length,
		 bool is_binary)
{
	struct writer *frame = net_frame_begin(core->net, conn, length);
	if (frame == NULL)
		return false;
	writer_put(frame, bytes, length);
	if (is_binary)
		net_frame_commit_binary(core->net, conn);
	else
		net_frame_commit(core->net, conn);
	return true;
}

static size_t peer_text(struct core *core, struct conn_id conn, char text[ADDRESS_TEXT_BYTES])
{
	struct address peer = net_peer_address(core->net, conn);
	address_format(&peer, text);
	return strlen(text);
}

static void on_any_message(struct core *core, struct conn_id conn, const void *bytes, size_t length,
			   bool is_binary)
{
	char peer[ADDRESS_TEXT_BYTES];
	if (net_cookie(core->net, conn) == MODE_PEER)
		echo(core, conn, peer, peer_text(core, conn, peer), false);
	else if (net_cookie(core->net, conn) == MODE_SHUT)
		net_shut(core->net, conn, 4001, "as you wish", CLOSE_POLICY);
	else if (!echo(core, conn, bytes, length, is_binary))
		net_shut(core->net, conn, 1013, "read what you get", CLOSE_REFUSED);
}

static void on_message(void *context, struct conn_id conn, const void *text, size_t length)
{
	on_any_message(context, conn, text, length, false);
}

static void on_binary(void *context, struct conn_id conn, const void *bytes, size_t length)
{
	on_any_message(context, conn, bytes, length, true);
}

/* ---- HTTP ----------------------------------------------------------------------------------- */

static uint64_t counter_sum(uint32_t number)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < core_count; i++)
		sum += counter_get(&cores[i].counters[number]);
	return sum;
}

static uint64_t close_sum(uint32_t reason)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < core_count; i++)
		sum += counter_get(&cores[i].close_counters[reason]);
	return sum;
}

static uint64_t rss_bytes(void)
{
	unsigned long size, resident = 0;
	FILE *file = fopen("/proc/self/statm", "r");
	if (file == NULL)
		return 0;
	if (fscanf(file, "%lu %lu", &size, &resident) != 2)
		resident = 0;
	fclose(file);
	return resident * 4096u;
}

static void answer_counters(struct core *core, struct conn_id conn)
{
	char memory[16384];
	struct writer text = writer_init(memory, sizeof(memory));
#define COUNTER(name, title, label, kind, help)                                                    \
	writer_put_format(&text, label[0] == '\0' ? "%s%s %llu\n" : "%s{%s} %llu\n", title, label,   \
			  (unsigned long long)counter_sum(NET_COUNTER_##name));
#include "net/net_counters.tbl"
#undef COUNTER
	for (uint32_t i = 0; i < CLOSE_REASON_COUNT; i++)
		writer_put_format(&text, "closed_%s %llu\n",
				  close_reason_text((enum close_reason)i),
				  (unsigned long long)close_sum(i));
	writer_put_format(&text, "rss_bytes %llu\n", (unsigned long long)rss_bytes());
	check(!text.overflow);
	net_respond(core->net, conn, 200, "text/plain", NULL, 0, memory, writer_length(&text));
}

static void stream(struct core *core, struct conn_id conn)
{
	static const char part[16 * 1024] = { 0 };
	uint64_t left = net_cookie(core->net, conn) >> 8;
	while (left > 0 && net_send_room(core->net, conn)) {
		net_respond_part(core->net, conn, part, sizeof(part));
		left--;
	}
	net_set_cookie(core->net, conn, left << 8 | MODE_STREAM);
	if (left == 0)
		net_respond_end(core->net, conn);
}

static bool path_is(const struct net_request *request, const char *path)
{
	return request->path.length == strlen(path) &&
	       memcmp(request->path.bytes, path, request->path.length) == 0;
}

static void on_upgrade(struct core *core, struct conn_id conn, const struct net_request *request)
{
	enum mode mode = path_is(request, "/flood")  ? MODE_FLOOD
			 : path_is(request, "/shut") ? MODE_SHUT
			 : path_is(request, "/peer") ? MODE_PEER
						     : MODE_ECHO;
	uint32_t target = core->next_core++ % core_count;
	net_handover(core->net, conn, target, (void *)(uintptr_t)mode);
}

static void on_request(void *context, struct conn_id conn, const struct net_request *request)
{
	struct core *core = context;
	if (request->is_upgrade) {
		on_upgrade(core, conn, request);
	} else if (path_is(request, "/counters")) {
		answer_counters(core, conn);
	} else if (path_is(request, "/peer")) {
		char peer[ADDRESS_TEXT_BYTES];
		net_respond(core->net, conn, 200, "text/plain", NULL, 0, peer, peer_text(core, conn, peer));
	} else if (path_is(request, "/stream")) {
		net_respond_begin(core->net, conn, 200, "application/octet-stream");
		net_set_cookie(core->net, conn,
			       (uint64_t)(STREAM_BYTES / (16 * 1024)) << 8 | MODE_STREAM);
		stream(core, conn);
	} else if (path_is(request, "/echo") && request->has_body) {
		net_set_cookie(core->net, conn, MODE_BODY);
	} else {
		static const char text[] = "This is an echo server: speak WebSocket.\n";
		net_respond(core->net, conn, path_is(request, "/") ? 200 : 404, "text/plain", NULL,
			    0, text, sizeof(text) - 1);
	}
}

/* The answer begins with the first bytes of the body, and stops the body while it has no room. */
static void on_body(void *context, struct conn_id conn, const void *bytes, size_t length, bool last)
{
	struct core *core = context;
	if ((net_cookie(core->net, conn) & 0xff) != MODE_BODY)
		return;
	if (net_cookie(core->net, conn) >> 8 == 0) {
		net_respond_begin(core->net, conn, 200, "application/octet-stream");
		net_set_cookie(core->net, conn, 1 << 8 | MODE_BODY);
	}
	net_respond_part(core->net, conn, bytes, length);
	if (last)
		net_respond_end(core->net, conn);
	else if (!net_send_room(core->net, conn))
		net_body_pause(core->net, conn);
}

static void on_writable(void *context, struct conn_id conn)
{
	struct core *core = context;
	switch ((enum mode)(net_cookie(core->net, conn) & 0xff)) {
	case MODE_FLOOD:
		flood(core, conn);
		break;
	case MODE_BODY:
		net_body_resume(core->net, conn);
		break;
	case MODE_STREAM:
		stream(core, conn);
		break;
	case MODE_ECHO:
	case MODE_SHUT:
	case MODE_PEER:
		break;
	}
}

static void on_closed(void *context, struct conn_id conn, enum close_reason reason)
{
	(void)context;
	(void)conn;
	(void)reason;
}

static void on_woken(void *context)
{
	(void)context;
}

static const struct net_handler handler = {
	.request = on_request,
	.body = on_body,
	.adopted = on_adopted,
	.handover_failed = on_handover_failed,
	.message = on_message,
	.binary = on_binary,
	.writable = on_writable,
	.closed = on_closed,
	.woken = on_woken,
};

/* ---- the cores ------------------------------------------------------------------------------ */

static int core_open(struct core *core)
{
	struct net_config config = settings;
	config.core = core->number;
	config.cores = core_count;
	config.handler = &handler;
	config.context = core;
	config.counters = core->counters;
	config.close_counters = core->close_counters;
	int error = net_open(&core->net, &config, &core->reason);
	nets[core->number] = core->net;
	return error;
}

static unsigned manner(void)
{
	return (tls_server != NULL ? NET_TLS : NET_PLAIN) | NET_PROXIED;
}

static int core_listen(struct core *core)
{
	net_set_tls(core->net, tls_server);
	net_set_proxies(core->net, &proxies, proxies_text != NULL);
	int error = net_listen(core->net, address, 0, manner(), &core->reason);
	if (error == 0 && unix_path != NULL)
		error = net_listen(core->net, unix_path, 1, NET_PLAIN, &core->reason);
	return error;
}

static void core_turn(struct core *core)
{
	while (!atomic_load(&stopping)) {
		int error = net_turn(core->net, boot_us() + 10 * 1000 * 1000);
		check(error == 0);
	}
}

static void *core_run(void *argument)
{
	struct core *core = argument;
	int error = core_open(core);
	pthread_barrier_wait(&opened);
	if (error == 0)
		net_link(core->net, nets);
	/* Core 0 listens first: where a free port was asked for, it tells the others which. */
	if (core->number == 0 && error == 0) {
		error = core_listen(core);
		port = net_listen_port(core->net, 0, manner());
		snprintf(address, sizeof(address), "127.0.0.1:%u", port);
	}
	pthread_barrier_wait(&opened);
	if (core->number != 0 && error == 0)
		error = core_listen(core);
	if (error != 0) {
		fprintf(stderr, "core %u: %s: %s\n", core->number, core->reason, strerror(-error));
		exit(1);
	}
	pthread_barrier_wait(&opened);
	core_turn(core);
	/* No core is gone while another, or the main thread, may still ring it. */
	pthread_barrier_wait(&stopped);
	net_close(&core->net);
	return NULL;
}

static const struct {
	struct option option;
	uint32_t *value;
	const char **text;
} options[] = {
	{ { "cores", required_argument, NULL, 0 }, &core_count, NULL },
	{ { "files-max", required_argument, NULL, 0 }, &settings.files_max, NULL },
	{ { "connections-max", required_argument, NULL, 0 }, &settings.connections_max, NULL },
	{ { "message-bytes-max", required_argument, NULL, 0 }, &settings.message_bytes_max, NULL },
	{ { "message-timeout-ms", required_argument, NULL, 0 }, &settings.message_timeout_ms, NULL },
	{ { "handshake-timeout-ms", required_argument, NULL, 0 }, &settings.handshake_timeout_ms, NULL },
	{ { "request-timeout-ms", required_argument, NULL, 0 }, &settings.request_timeout_ms, NULL },
	{ { "ping-interval-ms", required_argument, NULL, 0 }, &settings.ping_interval_ms, NULL },
	{ { "pong-timeout-ms", required_argument, NULL, 0 }, &settings.pong_timeout_ms, NULL },
	{ { "send-timeout-ms", required_argument, NULL, 0 }, &settings.send_timeout_ms, NULL },
	{ { "close-timeout-ms", required_argument, NULL, 0 }, &settings.close_timeout_ms, NULL },
	{ { "unix", required_argument, NULL, 0 }, NULL, &unix_path },
	{ { "proxy-from", required_argument, NULL, 0 }, NULL, &proxies_text },
	{ { "tls-certificate", required_argument, NULL, 0 }, NULL, &tls_files.certificate },
	{ { "tls-key", required_argument, NULL, 0 }, NULL, &tls_files.key },
};

static _Noreturn void usage(void)
{
	fprintf(stderr, "usage: echo-server [OPTION=VALUE]... PORT\n");
	for (size_t i = 0; i < ARRAY_COUNT(options); i++)
		fprintf(stderr, "  --%s\n", options[i].option.name);
	exit(2);
}

static void parse_arguments(int argc, char **argv)
{
	struct option longs[ARRAY_COUNT(options) + 1] = { 0 };
	for (size_t i = 0; i < ARRAY_COUNT(options); i++)
		longs[i] = options[i].option;
	int found, which;
	while ((found = getopt_long(argc, argv, "", longs, &which)) != -1) {
		if (found != 0)
			usage();
		if (options[which].value == NULL)
			*options[which].text = optarg;
		else
			*options[which].value = (uint32_t)strtoul(optarg, NULL, 10);
	}
	if (proxies_text != NULL && !address_block_read(&proxies, proxies_text))
		usage();
	if (optind != argc - 1 || core_count == 0 || core_count > CORES_MAX)
		usage();
	snprintf(address, sizeof(address), "127.0.0.1:%s", argv[optind]);
}

static void open_tls(void)
{
	const char *reason;
	if (tls_files.certificate == NULL)
		return;
	tickets = tickets_open(boot_us() / 1000000u);
	check(tickets != NULL);
	if (tls_server_open(&tls_server, &tls_files, 1, tickets, &reason) == 0)
		return;
	fprintf(stderr, "echo-server: %s\n", reason);
	exit(1);
}

/* The three steps of core_run. */
static void wait_for_start(void)
{
	for (int step = 0; step < 3; step++)
		pthread_barrier_wait(&opened);
	printf("listening on %u\n", port);
	fflush(stdout);
}

static void wait_for_end(void)
{
	sigset_t set;
	int signal;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigwait(&set, &signal);
	atomic_store(&stopping, true);
	for (uint32_t i = 0; i < core_count; i++)
		net_wake(nets[i]);
	pthread_barrier_wait(&stopped);
}

int main(int argc, char **argv)
{
	parse_arguments(argc, argv);
	const char *lacking = net_probe();
	if (lacking != NULL) {
		fprintf(stderr, "echo-server: %s\n", lacking);
		return 77;
	}
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	open_tls();
	pthread_barrier_init(&opened, NULL, core_count + 1);
	pthread_barrier_init(&stopped, NULL, core_count + 1);
	for (uint32_t i = 0; i < core_count; i++) {
		cores[i].number = i;
		check(pthread_create(&cores[i].thread, NULL, core_run, &cores[i]) == 0);
	}
	wait_for_start();
	wait_for_end();
	for (uint32_t i = 0; i < core_count; i++)
		pthread_join(cores[i].thread, NULL);
	tls_server_drop(&tls_server);
	tickets_close(&tickets);
	return 0;
}
