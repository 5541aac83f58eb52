/*
 * Owns: listening sockets and the accepts on them.
 * Invariant: an armed accept has a free file set aside in its ring, so no connection is taken from
 *   the kernel that could not be kept.
 * Thread: the core's.
 * Does not know: what is spoken on a connection.
 *
 * Accepts are single ones, several at a time: once the table is full, a multishot accept drops
 * connections that it has already taken.
 */
#include "net/state.h"

#include "base/check.h"
#include "net/quota.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	/* Connections that may wait between two turns; the kernel cuts it to net.core.somaxconn. */
	BACKLOG = 4096,
	/* Unsent bytes in the kernel beyond which it takes no more from us, so that what is sent to a
	 * slow peer is not old: one frame of the largest kind. */
	UNSENT_BYTES = 64 * 1024,
	/* After an accept that failed for want of something in the system. */
	RETRY_MS = 1000,
	/* Of connections_per_s after a silence, in seconds' worth. */
	ARRIVALS_BURST_S = 10,
};

static int set_option(int descriptor, int level, int option, int value)
{
	return setsockopt(descriptor, level, option, &value, sizeof(value)) == 0 ? 0 : -errno;
}

/* ---- accepting ------------------------------------------------------------------------------ */

static void arm(struct net *net, uint32_t listener_idx, uint32_t number)
{
	struct net_listener *listener = &net->listeners[listener_idx];
	struct net_accept *accept = &listener->accepts[number];
	uint32_t ring = rings_reserve(net);
	if (ring == NET_RINGS_MAX) {
		net->accepts_wait = true;
		net->accepts_retry_ms = net->now_ms + RETRY_MS;
		return;
	}
	accept->is_armed = true;
	accept->ring = (uint8_t)ring;
	uring_accept(net->rings[ring].uring, listener->descriptor, &accept->peer,
		     uring_tag_make(EVENT_ACCEPT, listener_idx * NET_ACCEPTS + number));
}

static uint32_t accept_count(const struct net *net)
{
	uint32_t count = net->rings[0].files / 128;
	if (count < NET_ACCEPTS_LEAST)
		return NET_ACCEPTS_LEAST;
	return count < NET_ACCEPTS ? count : NET_ACCEPTS;
}

void listeners_arm(struct net *net)
{
	net->accepts_wait = false;
	for (uint32_t i = 0; i < NET_LISTENERS_MAX && !net->accepts_wait; i++)
		for (uint32_t n = 0; n < accept_count(net) && !net->accepts_wait; n++)
			if (net->listeners[i].descriptor >= 0 &&
			    !net->listeners[i].accepts[n].is_armed)
				arm(net, i, n);
}

static void admit(struct net *net, struct net_listener *listener, struct connection *c)
{
	if (listener->credit != UINT32_MAX)
		listener->credit--;
	c->since_ms = (uint32_t)net->now_ms;
	connection_rearm(net, c);
	connection_receive(net, c);
}

/* In no other list meanwhile: nothing is asked of it, and nothing under way. */
static void wait_in_line(struct net *net, struct net_listener *listener, struct connection *c)
{
	c->is_ready = true;
	c->next_ready = 0;
	if (listener->waiting_first == 0)
		listener->waiting_first = c->slot + 1;
	else
		connection_at(net, listener->waiting_last)->next_ready = c->slot + 1;
	listener->waiting_last = c->slot + 1;
}

static void admit_waiting(struct net *net, struct net_listener *listener)
{
	struct connection *c;
	while (listener->credit > 0 && (c = connection_at(net, listener->waiting_first)) != NULL) {
		listener->waiting_first = c->next_ready;
		c->is_ready = false;
		admit(net, listener, c);
	}
}

static struct address address_of(const struct uring_peer *peer)
{
	if (peer->address.sin6_family == AF_INET)
		return address_of_ipv4(&((const struct sockaddr_in *)&peer->address)->sin_addr);
	if (peer->address.sin6_family == AF_INET6)
		return address_of_ipv6(&peer->address.sin6_addr);
	return (struct address){ 0 };
}

/* Of IPv4 the address, of IPv6 the block that a household or a host gets. */
static uint64_t quota_key(const struct address *address)
{
	uint64_t halves[2];
	_Static_assert(sizeof(halves) == sizeof(address->bytes), "an address is two words");
	memcpy(halves, address->bytes, sizeof(halves));
	return halves[0] != 0 ? halves[0] : halves[1];
}

bool listener_charge(struct net *net, struct connection *c)
{
	const struct net_config *config = &net->config;
	uint64_t key = quota_key(&connection_more(net, c)->peer);
	if (config->connections_per_s == 0 || c->listener != config->arrivals_listener || key == 0)
		return true;
	if (quota_take(config->arrivals, key, net->now_ms * 1000, config->connections_per_s,
		       ARRIVALS_BURST_S * config->connections_per_s))
		return true;
	net_count(net, NET_COUNTER_ADDRESS_TOO_FAST, 1);
	if (c->is_tls)
		connection_abort(net, c, CLOSE_REFUSED);
	else
		http_session_refuse(net, c, 429, "More connections of this address than this server takes.",
				    CLOSE_REFUSED);
	return false;
}

static void welcome(struct net *net, struct net_listener *listener,
		    const struct net_accept *accept, uint32_t file)
{
	struct address peer = address_of(&accept->peer);
	struct connection *c = connection_take(net, accept->ring, file, &peer);
	if (c == NULL) {
		net_count(net, NET_COUNTER_REFUSED, 1);
		uring_close_file(net->rings[accept->ring].uring, file, true);
		rings_release(net, accept->ring);
		net->files_freed = true;
		return;
	}
	net_count(net, NET_COUNTER_ACCEPTED, 1);
	c->listener = (uint8_t)listener->number;
	c->is_tls = (listener->manner & NET_TLS) != 0;
	c->awaits_proxy = (listener->manner & NET_PROXIED) != 0 && proxy_session_is_listed(net, &peer);
	if (net->connection_count > net->config.connections_max) {
		net_count(net, NET_COUNTER_REFUSED, 1);
		http_session_refuse(net, c, 503, "This server holds as many connections as it may.",
				    CLOSE_REFUSED);
		return;
	}
	/* A proxy is not charged for its clients: they are, once it has said who they are. */
	if (!c->awaits_proxy && !listener_charge(net, c))
		return;
	if (listener->credit > 0)
		admit(net, listener, c);
	else
		wait_in_line(net, listener, c);
}

void listener_accepted(struct net *net, uint64_t which, int32_t result)
{
	uint32_t listener_idx = (uint32_t)(which / NET_ACCEPTS);
	struct net_listener *listener = &net->listeners[listener_idx];
	struct net_accept *accept = &listener->accepts[which % NET_ACCEPTS];
	check(accept->is_armed);
	accept->is_armed = false;
	if (result >= 0) {
		welcome(net, listener, accept, (uint32_t)result);
	} else {
		rings_release(net, accept->ring);
		if (result == -ENFILE || result == -EMFILE)
			net_count(net, NET_COUNTER_REFUSED, 1);
	}
	if (listener->descriptor < 0)
		return;
	if (result >= 0 || result == -ECONNABORTED || result == -EINTR) {
		arm(net, listener_idx, (uint32_t)(which % NET_ACCEPTS));
		return;
	}
	/* An accept that fails at once must not go round and round. */
	net->accepts_wait = true;
	net->accepts_retry_ms = net->now_ms + RETRY_MS;
}

/* ---- listening ------------------------------------------------------------------------------ */

static int set_tcp_options(const struct net *net, int descriptor, int family)
{
	/* Accepted sockets inherit all of these. */
	int error = set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1);
	if (error == 0)
		error = set_option(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
	if (error == 0)
		error = set_option(descriptor, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES);
	if (error == 0)
		error = set_option(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT,
				   (int)net->config.send_timeout_ms);
	if (error == 0 && family == AF_INET6)
		error = set_option(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	return error;
}

static uint16_t bound_port(int descriptor)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);
	if (getsockname(descriptor, (struct sockaddr *)&address, &length) != 0)
		return 0;
	if (address.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
	return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

/* What a socket to listen on is for. */
struct purpose {
	uint32_t number;
	unsigned manner; /* enum net_manner */
};

static int add_listener(struct net *net, int descriptor, struct purpose purpose, uint16_t port,
			const char *path, const char **reason)
{
	for (uint32_t i = 0; i < NET_LISTENERS_MAX; i++) {
		struct net_listener *listener = &net->listeners[i];
		bool is_quiet = listener->descriptor < 0 && listener->waiting_first == 0;
		for (uint32_t n = 0; n < NET_ACCEPTS; n++)
			is_quiet = is_quiet && !listener->accepts[n].is_armed;
		if (!is_quiet)
			continue;
		listener->descriptor = descriptor;
		listener->number = purpose.number;
		listener->manner = purpose.manner;
		listener->port = port;
		snprintf(listener->path, sizeof(listener->path), "%s", path);
		listener->credit = UINT32_MAX;
		listeners_arm(net);
		return 0;
	}
	close(descriptor);
	*reason = "too many addresses to listen on (16)";
	return -ENOSPC;
}

/*
 * The first core binds alone and only then lets the others share: SO_REUSEPORT before that would let
 * it share with another daemon of the same user, and each would get half of the clients.
 */
static int bind_shared(const struct net *net, int descriptor, const struct sockaddr *address,
		       socklen_t length)
{
	bool is_first = net->config.core == 0;
	int error = is_first ? 0 : set_option(descriptor, SOL_SOCKET, SO_REUSEPORT, 1);
	if (error == 0 && bind(descriptor, address, length) != 0)
		error = -errno;
	if (error == 0 && is_first)
		error = set_option(descriptor, SOL_SOCKET, SO_REUSEPORT, 1);
	return error;
}

static int open_tcp(struct net *net, const struct sockaddr *address, socklen_t length,
		    struct purpose purpose, const char **reason)
{
	*reason = "cannot make a socket";
	int descriptor = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (descriptor < 0)
		return -errno;
	*reason = "cannot set a socket's options";
	int error = set_tcp_options(net, descriptor, address->sa_family);
	if (error == 0) {
		*reason = "cannot bind to this address";
		error = bind_shared(net, descriptor, address, length);
	}
	if (error == 0 && listen(descriptor, BACKLOG) != 0) {
		*reason = "cannot listen on this address";
		error = -errno;
	}
	if (error != 0) {
		close(descriptor);
		return error;
	}
	return add_listener(net, descriptor, purpose, bound_port(descriptor), "", reason);
}

static void set_port(struct sockaddr *address, uint16_t port)
{
	if (address->sa_family == AF_INET6)
		((struct sockaddr_in6 *)address)->sin6_port = htons(port);
	else
		((struct sockaddr_in *)address)->sin_port = htons(port);
}

/* All addresses of a name, with one port: "localhost" is two of them. */
static int open_resolved(struct net *net, struct addrinfo *found, struct purpose purpose,
			 const char **reason)
{
	int error = -EADDRNOTAVAIL;
	uint32_t opened = 0;
	*reason = "the name has no address";
	for (struct addrinfo *at = found; at != NULL; at = at->ai_next) {
		if (opened > 0)
			set_port(at->ai_addr, net_listen_port(net, purpose.number, purpose.manner));
		error = open_tcp(net, at->ai_addr, at->ai_addrlen, purpose, reason);
		bool is_absent = error == -EAFNOSUPPORT || error == -EADDRNOTAVAIL;
		if (error != 0 && !is_absent)
			return error;
		opened += error == 0;
	}
	return opened > 0 ? 0 : error;
}

/* "host:port" or "[host]:port" into its two parts. */
static bool split_address(const char *address, char host[256], char port[8])
{
	const char *colon = strrchr(address, ':');
	if (colon == NULL || strlen(colon + 1) > 5 || colon[1] == '\0')
		return false;
	snprintf(port, 8, "%s", colon + 1);
	const char *end = colon;
	if (address[0] == '[') {
		if (colon == address || colon[-1] != ']')
			return false;
		address++;
		end--;
	}
	if (end < address || end - address > 255)
		return false;
	memcpy(host, address, (size_t)(end - address));
	host[end - address] = '\0';
	return strspn(port, "0123456789") == strlen(port) && strtoul(port, NULL, 10) <= 65535;
}

static int listen_tcp(struct net *net, const char *address, struct purpose purpose,
		      const char **reason)
{
	char host[256], port[8];
	*reason = "an address is HOST:PORT, [IPV6]:PORT or unix:PATH";
	if (!split_address(address, host, port))
		return -EINVAL;
	struct addrinfo wanted = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	struct addrinfo *found;
	bool is_any = strcmp(host, "*") == 0 || host[0] == '\0';
	int failure = getaddrinfo(is_any ? NULL : host, port, &wanted, &found);
	if (failure != 0) {
		*reason = gai_strerror(failure);
		return -EADDRNOTAVAIL;
	}
	int error = open_resolved(net, found, purpose, reason);
	freeaddrinfo(found);
	return error;
}

/* A socket file that nobody listens on any more is in the way; one that somebody uses is theirs. */
static int remove_stale(const struct sockaddr_un *address)
{
	struct stat status;
	if (lstat(address->sun_path, &status) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(status.st_mode))
		return -EEXIST;
	int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (descriptor < 0)
		return -errno;
	int result = connect(descriptor, (const struct sockaddr *)address, sizeof(*address));
	int error = result == 0 ? EADDRINUSE : errno;
	close(descriptor);
	if (error != ECONNREFUSED)
		return -error;
	return unlink(address->sun_path) == 0 ? 0 : -errno;
}

static int listen_unix(struct net *net, const char *path, uint32_t number, const char **reason)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	*reason = "the path of a Unix socket has at most 107 bytes";
	if (path[0] == '\0' || strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	*reason = "this path is in use";
	int error = remove_stale(&address);
	if (error != 0)
		return error;
	*reason = "cannot make the Unix socket";
	int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (descriptor < 0)
		return -errno;
	/* On Linux the file takes the socket's mode as it is at bind: no moment with another one. */
	if (fchmod(descriptor, 0600) != 0 ||
	    bind(descriptor, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(descriptor, BACKLOG) != 0) {
		error = -errno;
		close(descriptor);
		return error;
	}
	return add_listener(net, descriptor, (struct purpose){ number, NET_PLAIN }, 0, path, reason);
}

int net_listen(struct net *net, const char *address, uint32_t listener, unsigned manner,
	       const char **reason)
{
	check_object(net, NET_MAGIC);
	check(listener <= UINT8_MAX);
	static const char prefix[] = "unix:";
	int error = 0;
	if (strncmp(address, prefix, sizeof(prefix) - 1) != 0)
		error = listen_tcp(net, address, (struct purpose){ listener, manner }, reason);
	else if (net->config.core == 0)
		error = listen_unix(net, address + sizeof(prefix) - 1, listener, reason);
	if (error == 0)
		*reason = NULL;
	return error;
}

uint16_t net_listen_port(const struct net *net, uint32_t number, unsigned manner)
{
	for (uint32_t i = 0; i < NET_LISTENERS_MAX; i++) {
		const struct net_listener *listener = &net->listeners[i];
		if (listener->descriptor >= 0 && listener->number == number &&
		    ((listener->manner ^ manner) & NET_TLS) == 0)
			return listener->port;
	}
	return 0;
}

void net_listen_admit(struct net *net, uint32_t number, uint32_t count)
{
	check_object(net, NET_MAGIC);
	for (uint32_t i = 0; i < NET_LISTENERS_MAX; i++) {
		struct net_listener *listener = &net->listeners[i];
		if (listener->descriptor < 0 || listener->number != number)
			continue;
		listener->credit = count;
		admit_waiting(net, listener);
	}
}

static void stop(struct net *net, uint32_t listener_idx)
{
	struct net_listener *listener = &net->listeners[listener_idx];
	for (uint32_t n = 0; n < NET_ACCEPTS; n++)
		if (listener->accepts[n].is_armed)
			uring_cancel(net->rings[listener->accepts[n].ring].uring,
				     uring_tag_make(EVENT_ACCEPT, listener_idx * NET_ACCEPTS + n));
	close(listener->descriptor);
	listener->descriptor = -1;
	/* Those who wait are told what becomes of them. */
	listener->credit = UINT32_MAX;
	admit_waiting(net, listener);
	if (listener->path[0] != '\0')
		unlink(listener->path);
}

void net_listen_stop(struct net *net, uint32_t listener)
{
	check_object(net, NET_MAGIC);
	for (uint32_t i = 0; i < NET_LISTENERS_MAX; i++)
		if (net->listeners[i].descriptor >= 0 && net->listeners[i].number == listener)
			stop(net, i);
}

void listeners_close(struct net *net)
{
	for (uint32_t i = 0; i < NET_LISTENERS_MAX; i++)
		if (net->listeners[i].descriptor >= 0)
			stop(net, i);
}
