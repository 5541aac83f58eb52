/*
 * Owns: the order in which the cores open, link, halt and close, by barriers.
 * Invariant: no core is handed a connection before all networks are linked, and none is closed while
 *   another core, or the store, may still ring it.
 * Thread: run() and what it calls on the core's own thread, the rest on main.
 * Does not know: what a turn does; signals.
 */
#include "daemon/core.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

/* Between two parts of a request's body, and of an idle keep-alive connection. */
#define REQUEST_TIMEOUT_MS 60000
/* From the first byte of a WebSocket message to its last: one of 64 KiB is sent at 9 kbit/s. */
#define MESSAGE_TIMEOUT_MS 60000
/* For the peer's half of a WebSocket's close handshake. */
#define CLOSE_TIMEOUT_MS 5000

struct core {
	struct cores *cores;
	uint32_t number;
	pthread_t thread;
	struct app *app;
	int error;
	char reason[400];
};

struct cores {
	struct app_shared *shared;
	const char *control_address;
	uint32_t started;
	struct net *nets[NEARBYSHM_CORES_MAX];
	struct core core[NEARBYSHM_CORES_MAX];
	/* As bound at the start; a listener that stops takes its own away. */
	uint16_t plain_port, tls_port, admin_port;
	pthread_barrier_t first;  /* core 0 is open */
	pthread_barrier_t opened; /* all cores and main: everything is open, or has failed */
	pthread_barrier_t linked; /* main has judged */
	pthread_barrier_t halted; /* no loop runs any more */
	pthread_barrier_t closing; /* main has ended the store */
	bool is_halted;
	atomic_bool stop;
	atomic_bool have_failed;
};

/* ---- one core --------------------------------------------------------------------------------- */

static void pin_to_cpu(uint32_t number)
{
	cpu_set_t allowed, one;
	if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
		return;
	uint32_t left = number % (uint32_t)CPU_COUNT(&allowed);
	CPU_ZERO(&one);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &allowed) || left-- > 0)
			continue;
		CPU_SET(cpu, &one);
		/* Without it all works, only slower. */
		if (sched_setaffinity(0, sizeof(one), &one) != 0)
			log_warning("core %u: cannot be pinned to a CPU: %s", number, strerror(errno));
		return;
	}
}

/* As it was at the start: none of what is read here changes while running. */
static const struct config *live_config(const struct cores *cores)
{
	return &atomic_load(&cores->shared->live)->config;
}

/* Port 0 picks a free port; core 0 picks first, and the others take the same. */
static void fix_port(const struct core *core, const char *address, unsigned manner, char fixed[CONFIG_ITEM_BYTES])
{
	size_t length = strlen(address);
	snprintf(fixed, CONFIG_ITEM_BYTES, "%s", address);
	if (core->number == 0 || length < 2 || strcmp(address + length - 2, ":0") != 0)
		return;
	uint16_t port = net_listen_port(core->cores->nets[0], LISTENER_PUBLIC, manner);
	snprintf(fixed + length - 1, CONFIG_ITEM_BYTES - (length - 1), "%u", port);
}

static const char *refused_address(const char *address, const char *why, int error)
{
	static _Thread_local char text[CONFIG_ITEM_BYTES + 200];
	snprintf(text, sizeof(text), "%s: %s: %s", address, why, strerror(-error));
	return text;
}

static int listen_all(const struct core *core, const struct config_list *addresses, uint32_t listener,
		      unsigned manner, const char **reason)
{
	for (uint32_t i = 0; i < addresses->count; i++) {
		char address[CONFIG_ITEM_BYTES];
		fix_port(core, addresses->texts[i], manner, address);
		int error = net_listen(core->cores->nets[core->number], address, listener, manner, reason);
		if (error != 0) {
			*reason = refused_address(address, *reason, error);
			return error;
		}
	}
	return 0;
}

static int open_listeners(struct core *core, const char **reason)
{
	const struct config *config = live_config(core->cores);
	/* Without addresses of its own, TLS is spoken on those for clients. */
	bool is_apart = config->tls_listen.count > 0;
	unsigned manner = config->tls_certificate.count > 0 && !is_apart ? NET_TLS : NET_PLAIN;
	int error = listen_all(core, &config->listen, LISTENER_PUBLIC, manner | NET_PROXIED, reason);
	if (error == 0)
		error = listen_all(core, &config->tls_listen, LISTENER_PUBLIC, NET_TLS | NET_PROXIED, reason);
	if (error != 0 || core->number != 0)
		return error;
	error = listen_all(core, &config->admin_listen, LISTENER_ADMIN, NET_PLAIN, reason);
	return error != 0 ? error
			  : net_listen(core->cores->nets[0], core->cores->control_address, LISTENER_CONTROL,
				       NET_PLAIN, reason);
}

static int open_core(struct core *core, const char **reason)
{
	struct app_shared *shared = core->cores->shared;
	const struct config *config = live_config(core->cores);
	int error = app_open(&core->app, shared, core->number, reason);
	if (error != 0)
		return error;
	struct counter_block counters = counters_block(shared->segment, core->number);
	struct net_config net_config = {
		.core = core->number,
		.cores = shared->cores,
		/* Requests and handshakes on top of sessions. */
		.connections_max = (uint32_t)(config->sessions_max + config->sessions_max / 4 + 4096),
		.handshake_timeout_ms = config->handshake_timeout_s * 1000,
		.request_timeout_ms = REQUEST_TIMEOUT_MS,
		.ping_interval_ms = config->ping_interval_s * 1000,
		.pong_timeout_ms = config->pong_timeout_s * 1000,
		.send_timeout_ms = config->send_timeout_s * 1000,
		.close_timeout_ms = CLOSE_TIMEOUT_MS,
		.head_bytes_max = config->head_bytes_max,
		.message_bytes_max = config->message_bytes_max,
		.message_timeout_ms = MESSAGE_TIMEOUT_MS,
		.frames_per_s = config->frames_per_s,
		.connections_per_s = config->connections_per_s,
		.arrivals = shared->arrivals,
		.arrivals_listener = LISTENER_PUBLIC,
		.handler = &app_net_handler,
		.context = core->app,
		.counters = counters.net,
		.close_counters = counters.closes,
	};
	error = net_open(&core->cores->nets[core->number], &net_config, reason);
	if (error != 0)
		return error;
	app_attach(core->app, core->cores->nets[core->number]);
	/* It lives from here on, also while its first turn is long in coming. */
	nearby_segment_beat(shared->segment, core->number, boot_us());
	return open_listeners(core, reason);
}

static void loop(struct core *core)
{
	struct app_shared *shared = core->cores->shared;
	struct net *net = core->cores->nets[core->number];
	uint64_t until_us = 0;
	while (!atomic_load_explicit(&core->cores->stop, memory_order_relaxed)) {
		int error = net_turn(net, until_us);
		if (error != 0) {
			log_error("core %u: the network fails: %s", core->number, strerror(-error));
			atomic_store(&core->cores->have_failed, true);
			return;
		}
		nearby_segment_beat(shared->segment, core->number, boot_us());
		until_us = app_turn(core->app);
	}
}

static void *run(void *argument)
{
	struct core *core = argument;
	const char *reason = "";
	pin_to_cpu(core->number);
	/* Core 0 opens first: see fix_port. */
	if (core->number != 0)
		pthread_barrier_wait(&core->cores->first);
	core->error = core->cores->core[0].error != 0 ? -ECANCELED : open_core(core, &reason);
	snprintf(core->reason, sizeof(core->reason), "%s", reason);
	if (core->number == 0)
		pthread_barrier_wait(&core->cores->first);
	pthread_barrier_wait(&core->cores->opened);
	/* Main looks at all errors in between, and sets stop if there is one. */
	pthread_barrier_wait(&core->cores->linked);
	if (!atomic_load(&core->cores->stop)) {
		net_link(core->cores->nets[core->number], core->cores->nets);
		loop(core);
	}
	/* No network goes while another core, or the store, may still ring it. */
	pthread_barrier_wait(&core->cores->halted);
	pthread_barrier_wait(&core->cores->closing);
	if (core->cores->nets[core->number] != NULL)
		net_close(&core->cores->nets[core->number]);
	app_close(&core->app);
	return NULL;
}

/* ---- all of them ------------------------------------------------------------------------------ */

static int judge(struct cores *cores, const char **reason)
{
	static char text[480];
	for (uint32_t i = 0; i < cores->started; i++) {
		if (cores->core[i].error == 0)
			continue;
		snprintf(text, sizeof(text), "%s", cores->core[i].reason);
		*reason = text;
		return cores->core[i].error;
	}
	return 0;
}

int cores_start(_Atomic(struct cores *) *cores, struct app_shared *shared, const char *control_address,
		const char **reason)
{
	struct cores *fresh = calloc(1, sizeof(*fresh));
	*reason = "out of memory";
	if (fresh == NULL)
		return -ENOMEM;
	fresh->shared = shared;
	fresh->control_address = control_address;
	pthread_barrier_init(&fresh->first, NULL, shared->cores);
	pthread_barrier_init(&fresh->opened, NULL, shared->cores + 1);
	pthread_barrier_init(&fresh->linked, NULL, shared->cores + 1);
	pthread_barrier_init(&fresh->halted, NULL, shared->cores + 1);
	pthread_barrier_init(&fresh->closing, NULL, shared->cores + 1);
	for (uint32_t i = 0; i < shared->cores; i++) {
		fresh->core[i].cores = fresh;
		fresh->core[i].number = i;
		/* Threads at start are not refused short of a system that can run nothing. */
		check(pthread_create(&fresh->core[i].thread, NULL, run, &fresh->core[i]) == 0);
		fresh->started++;
	}
	pthread_barrier_wait(&fresh->opened);
	int error = judge(fresh, reason);
	*cores = fresh;
	if (error == 0) {
		fresh->plain_port = net_listen_port(fresh->nets[0], LISTENER_PUBLIC, NET_PLAIN);
		fresh->tls_port = net_listen_port(fresh->nets[0], LISTENER_PUBLIC, NET_TLS);
		fresh->admin_port = net_listen_port(fresh->nets[0], LISTENER_ADMIN, NET_PLAIN);
	}
	if (error != 0)
		atomic_store(&fresh->stop, true);
	pthread_barrier_wait(&fresh->linked);
	if (error != 0) {
		cores_halt(fresh);
		cores_close(cores);
	}
	return error;
}

void cores_halt(struct cores *cores)
{
	atomic_store(&cores->stop, true);
	for (uint32_t i = 0; i < cores->started; i++)
		cores_wake(cores, i);
	pthread_barrier_wait(&cores->halted);
	cores->is_halted = true;
}

void cores_close(_Atomic(struct cores *) *cores)
{
	struct cores *old = *cores;
	check(old->is_halted);
	pthread_barrier_wait(&old->closing);
	for (uint32_t i = 0; i < old->started; i++)
		pthread_join(old->core[i].thread, NULL);
	pthread_barrier_destroy(&old->first);
	pthread_barrier_destroy(&old->opened);
	pthread_barrier_destroy(&old->linked);
	pthread_barrier_destroy(&old->halted);
	pthread_barrier_destroy(&old->closing);
	free(old);
	*cores = NULL;
}

void cores_wake(struct cores *cores, uint32_t core)
{
	if (cores->nets[core] != NULL)
		net_wake(cores->nets[core]);
}

bool cores_have_failed(const struct cores *cores)
{
	return atomic_load(&cores->have_failed);
}

uint16_t cores_port(const struct cores *cores, enum app_listener listener, unsigned manner)
{
	if (listener != LISTENER_PUBLIC)
		return cores->admin_port;
	return manner == NET_TLS ? cores->tls_port : cores->plain_port;
}
