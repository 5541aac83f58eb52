/*
 * Owns: the life of the process: start in order, signals, alerts, drain, stop in order.
 * Invariant: a start that cannot succeed says what is needed and leaves nothing behind but a segment
 *   for the next one; a stop by SIGTERM keeps every location and all history, and exits 0.
 * Thread: main; it waits for signals and looks at the alerts once a second.
 * Does not know: sessions, requests.
 */
#include "config.h"

#include "app/app.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "app/config.h"
#include "daemon/core.h"
#include "daemon/notify.h"
#include "daemon/paths.h"
#include "app/token.h"
#include "daemon/watch.h"
#include "net/tls.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Between two looks at the alerts; while it drains, at the sessions. */
#define LOOK_US	      1000000u
#define DRAIN_LOOK_US 20000u
/* After the start, until the segment's pages are huge: so long at it, then so long a rest. */
#define HUGE_SLICE_US 10000u
#define HUGE_REST_US  10000u
/* After drain-time the sessions have this long for their close handshakes. */
#define DRAIN_GRACE_US (6u * 1000000u)

struct daemon {
	struct config_sources sources;
	struct app_live *live;
	struct tickets *tickets; /* kept over reloads, so that they make no ticket void */
	struct app_live *previous; /* replaced by `live`, at replaced_us */
	uint64_t replaced_us;
	struct app_shared shared;
	_Atomic(struct cores *) cores; /* the store's threads wake them */
	struct watch watch;
	char control_address[PATHS_SOCKET_BYTES + 8];
	uint64_t stop_asked_us;
	bool is_segment_huge; /* or as huge as it gets */
};

/* ---- start ------------------------------------------------------------------------------------ */

static uint32_t usable_cpus(void)
{
	cpu_set_t allowed;
	int count = sched_getaffinity(0, sizeof(allowed), &allowed) == 0 ? CPU_COUNT(&allowed) : 1;
	return count > NEARBYSHM_CORES_MAX ? NEARBYSHM_CORES_MAX : (uint32_t)count;
}

/* Every descriptor that the system allows: sessions need none, but requests and rings do. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void live_free(struct app_live **live)
{
	if (*live == NULL)
		return;
	token_key_close(&(*live)->key);
	tls_server_drop(&(*live)->tls);
	free(*live);
	*live = NULL;
}

static int load_key(struct app_live *live)
{
	const char *reason = NULL;
	int error = token_key_open(&live->key, live->config.token_key, &reason);
	if (error != 0)
		log_error("token-key: %s", reason);
	else if (reason != NULL)
		log_warning("token-key: %s", reason);
	return error;
}

static int load_tls(struct app_live *live, struct tickets *tickets)
{
	const struct config *config = &live->config;
	struct tls_files files[CONFIG_LIST_MAX];
	const char *reason = NULL;
	for (uint32_t i = 0; i < config->tls_certificate.count; i++)
		files[i] = (struct tls_files){ config->tls_certificate.texts[i], config->tls_key.texts[i] };
	if (config->tls_certificate.count == 0)
		return 0;
	int error = tls_server_open(&live->tls, files, config->tls_certificate.count, tickets, &reason);
	if (error != 0)
		log_error("%s", reason);
	else if (reason != NULL)
		log_warning("%s", reason);
	return error;
}

static void load_proxies(struct app_live *live)
{
	const struct config_list *list = &live->config.proxy_from;
	for (uint32_t i = 0; i < list->count; i++)
		check(address_block_read(&live->proxies[i], list->texts[i]));
}

/* Reads all sources, the key and the certificates. 0, or a negative errno, logged. */
static int live_load(const struct daemon *daemon, struct app_live **live)
{
	struct app_live *fresh = calloc(1, sizeof(*fresh));
	enum config_wish wish;
	struct config_error wrong;
	check(fresh != NULL);
	int error = config_load(&fresh->config, &daemon->sources, &wish, &wrong);
	if (error != 0)
		log_error("%s", wrong.text);
	if (error == 0) {
		load_proxies(fresh);
		error = load_key(fresh);
	}
	if (error == 0)
		error = load_tls(fresh, daemon->tickets);
	if (error != 0)
		live_free(&fresh);
	*live = fresh;
	return error;
}

static void wake_core(void *context, uint32_t client)
{
	struct daemon *daemon = context;
	struct cores *cores = daemon->cores;
	/* Before they are there the start itself asks, and looks for the answer. */
	if (cores != NULL)
		cores_wake(cores, client);
}

static int open_control(struct daemon *daemon)
{
	char path[PATHS_SOCKET_BYTES];
	int error = paths_control_socket(daemon->live->config.instance, path);
	if (error == 0)
		error = paths_directory_make(path);
	if (error != 0)
		log_error("control socket of instance %s: its directory: %s", daemon->live->config.instance, strerror(-error));
	else
		snprintf(daemon->control_address, sizeof(daemon->control_address), "unix:%s", path);
	return error;
}

static int open_cores(struct daemon *daemon)
{
	const char *reason = "";
	int error = cores_start(&daemon->cores, &daemon->shared, daemon->control_address, &reason);
	app_shared_started(&daemon->shared);
	if (error != 0)
		log_error("%s", reason);
	return error;
}

static int start(struct daemon *daemon)
{
	const char *lacks = net_probe();
	if (lacks != NULL) {
		log_error("this kernel lacks what the network layer needs: %s", lacks);
		return -ENOSYS;
	}
	raise_descriptor_limit();
	daemon->tickets = tickets_open(boot_us() / 1000000u);
	check(daemon->tickets != NULL);
	int error = live_load(daemon, &daemon->live);
	if (error != 0)
		return error;
	const struct config *config = &daemon->live->config;
	atomic_store_explicit(&daemon->shared.live, daemon->live, memory_order_release);
	daemon->shared.cores = config->cores != 0 ? config->cores : usable_cpus();
	error = open_control(daemon);
	if (error == 0)
		error = app_shared_open(&daemon->shared, wake_core, daemon);
	if (error == 0)
		error = open_cores(daemon);
	return error;
}

/* ---- stop ------------------------------------------------------------------------------------- */

static void stop(struct daemon *daemon)
{
	if (daemon->cores != NULL)
		cores_halt(daemon->cores);
	app_shared_close_store(&daemon->shared);
	if (daemon->cores != NULL)
		cores_close(&daemon->cores);
	app_shared_close(&daemon->shared);
	live_free(&daemon->previous);
	live_free(&daemon->live);
	tickets_close(&daemon->tickets);
}

/* ---- running ---------------------------------------------------------------------------------- */

static bool all_cores_beat_since(const struct daemon *daemon, uint64_t since_us)
{
	for (uint32_t core = 0; core < daemon->shared.cores; core++)
		if (nearby_segment_last_beat(daemon->shared.segment, core) <= since_us)
			return false;
	return true;
}

/* Whether there is TLS is settled when the listeners open. */
static void keep_tls(const struct app_live *running, struct app_live *fresh, char *waiting, size_t bytes)
{
	size_t length = strlen(waiting);
	if ((running->tls == NULL) == (fresh->tls == NULL))
		return;
	tls_server_drop(&fresh->tls);
	fresh->tls = tls_server_hold(running->tls);
	fresh->config.tls_certificate = running->config.tls_certificate;
	fresh->config.tls_key = running->config.tls_key;
	snprintf(waiting + length, bytes - length, "%stls-certificate, tls-key", length > 0 ? ", " : "");
}

/* Puts what was read in force. The one before it is kept: a core may be in a turn with it. */
static void live_switch(struct daemon *daemon, struct app_live *fresh)
{
	char waiting[400];
	struct config merged = daemon->live->config;
	config_take_changes(&merged, &fresh->config, waiting, sizeof(waiting));
	fresh->config = merged;
	keep_tls(daemon->live, fresh, waiting, sizeof(waiting));
	live_free(&daemon->previous);
	daemon->previous = daemon->live;
	daemon->live = fresh;
	atomic_store_explicit(&daemon->shared.live, fresh, memory_order_release);
	daemon->replaced_us = boot_us();
	log_notice("reload: done");
	if (waiting[0] != '\0')
		log_warning("reload: waiting for a restart: %s", waiting);
}

static void reload(struct daemon *daemon)
{
	struct app_live *fresh;
	notify_systemd("RELOADING=1");
	if (!all_cores_beat_since(daemon, daemon->replaced_us))
		log_error("reload: a core has not ended a turn since the last one; try again");
	else if (live_load(daemon, &fresh) == 0)
		live_switch(daemon, fresh);
	else
		log_error("reload: what was in force stays");
	notify_systemd("READY=1");
}

static void ask_to_stop(struct daemon *daemon)
{
	log_notice("stopping: sessions are told to reconnect over %u s", daemon->live->config.drain_time_s);
	notify_systemd("STOPPING=1");
	daemon->stop_asked_us = boot_us();
	atomic_store_explicit(&daemon->shared.draining, true, memory_order_relaxed);
}

static bool is_drained(const struct daemon *daemon, uint64_t now_us)
{
	uint64_t limit_us = (uint64_t)daemon->live->config.drain_time_s * 1000000u + DRAIN_GRACE_US;
	return atomic_load_explicit(&daemon->shared.drained_cores, memory_order_acquire) == daemon->shared.cores ||
	       now_us - daemon->stop_asked_us > limit_us;
}

static int next_signal(const sigset_t *signals, uint64_t wait_us)
{
	struct timespec wait = { (time_t)(wait_us / 1000000u), (long)(wait_us % 1000000u) * 1000 };
	return sigtimedwait(signals, NULL, &wait);
}

/* Reading the segment at random is cheaper with huge pages, but a start does not wait for them. */
static void make_segment_huge(struct daemon *daemon)
{
	uint64_t end_us = boot_us() + HUGE_SLICE_US;
	while (!daemon->is_segment_huge && boot_us() < end_us)
		daemon->is_segment_huge = !nearby_segment_make_huge(daemon->shared.segment);
}

static uint64_t look_us(const struct daemon *daemon)
{
	if (daemon->stop_asked_us != 0)
		return DRAIN_LOOK_US;
	return daemon->is_segment_huge ? LOOK_US : HUGE_REST_US;
}

/* Until asked to stop, and drained. Returns the exit status. */
static int serve(struct daemon *daemon, const sigset_t *signals)
{
	uint64_t next_look_us = 0;
	for (;;) {
		int got = next_signal(signals, look_us(daemon));
		make_segment_huge(daemon);
		if (got == SIGHUP)
			reload(daemon);
		else if (got > 0 && daemon->stop_asked_us == 0)
			ask_to_stop(daemon);
		else if (got > 0)
			return 0;
		uint64_t now_us = boot_us();
		if (daemon->stop_asked_us != 0 && is_drained(daemon, now_us))
			return 0;
		if (cores_have_failed(daemon->cores))
			return 1;
		if (now_us < next_look_us)
			continue;
		next_look_us = now_us + LOOK_US;
		if (watch_look(&daemon->watch, now_us))
			notify_systemd("WATCHDOG=1");
	}
}

static void say_ready(struct daemon *daemon)
{
	uint16_t plain_port = cores_port(daemon->cores, LISTENER_PUBLIC, NET_PLAIN);
	uint16_t tls_port = cores_port(daemon->cores, LISTENER_PUBLIC, NET_TLS);
	uint16_t admin_port = cores_port(daemon->cores, LISTENER_ADMIN, NET_PLAIN);
	char ports[100], state[200];
	int length = snprintf(ports, sizeof(ports), "public port %u, admin port %u",
			      plain_port != 0 ? plain_port : tls_port, admin_port);
	if (tls_port != 0)
		snprintf(ports + length, sizeof(ports) - (size_t)length, ", TLS port %u", tls_port);
	log_notice("ready: instance %s, %u cores, %s, control socket %s", daemon->live->config.instance,
		   daemon->shared.cores, ports, daemon->control_address + strlen("unix:"));
	snprintf(state, sizeof(state), "READY=1\nSTATUS=%s", ports);
	notify_systemd(state);
}

/* --help and its like, and mistakes on the command line. True when there is nothing to run. */
static bool answer_wish(const struct config_sources *sources, int *status)
{
	static struct config config;
	enum config_wish wish;
	struct config_error error;
	*status = 0;
	if (config_load(&config, sources, &wish, &error) != 0) {
		fprintf(stderr, "nearbyd: %s\n", error.text);
		*status = 2;
		return true;
	}
	if (wish == CONFIG_WISH_HELP)
		config_help(stdout);
	else if (wish == CONFIG_WISH_VERSION)
		printf("nearbyd " PACKAGE_VERSION "\n");
	else if (wish == CONFIG_WISH_PRINT)
		config_print(&config, stdout);
	return wish != CONFIG_WISH_RUN;
}

/* Before any thread starts: all inherit it, so that only main hears these. */
static void block_signals(sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGHUP);
	sigprocmask(SIG_BLOCK, signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* A limit on the size of files is then a disk that is full. */
	signal(SIGXFSZ, SIG_IGN);
}

int main(int argc, char **argv)
{
	static struct daemon daemon;
	int status;
	daemon.sources = (struct config_sources){ argc, argv, environ };
	if (answer_wish(&daemon.sources, &status))
		return status;
	sigset_t signals;
	block_signals(&signals);
	if (start(&daemon) == 0) {
		watch_init(&daemon.watch, &daemon.shared, daemon.shared.cores + 1);
		say_ready(&daemon);
		status = serve(&daemon, &signals);
	} else {
		status = 1;
	}
	stop(&daemon);
	log_notice("stopped");
	return status;
}
