/*
 * Owns: resolving addresses.
 * Invariant: see the header.
 * Thread: the caller's.
 * Does not know: what is spoken there.
 */
#include "bench/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static int resolve_unix(struct address *address, const char *path)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&address->socket;
	if (*path == 0 || strlen(path) >= sizeof(un->sun_path))
		return -EINVAL;
	un->sun_family = AF_UNIX;
	strcpy(un->sun_path, path);
	address->socket_bytes = sizeof(*un);
	strcpy(address->host, "localhost");
	return 0;
}

int address_resolve(struct address *address, const char *text)
{
	*address = (struct address){ .socket_bytes = 0 };
	if (strncmp(text, "unix:", 5) == 0)
		return resolve_unix(address, text + 5);
	const char *colon = strrchr(text, ':');
	if (colon == NULL || colon == text || strlen(text) >= sizeof(address->host))
		return -EINVAL;
	strcpy(address->host, text);
	char name[sizeof(address->host)];
	bool is_bracketed = text[0] == '[' && colon[-1] == ']';
	snprintf(name, sizeof(name), "%.*s", (int)(colon - text) - 2 * is_bracketed,
		 text + is_bracketed);
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV }, *found;
	if (getaddrinfo(name, colon + 1, &hints, &found) != 0)
		return -EHOSTUNREACH;
	memcpy(&address->socket, found->ai_addr, found->ai_addrlen);
	address->socket_bytes = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

bool address_source(const struct address *target, uint32_t block, struct address *source)
{
	const struct sockaddr_in *to = (const struct sockaddr_in *)&target->socket;
	if (to->sin_family != AF_INET || ntohl(to->sin_addr.s_addr) >> 24 != 127)
		return false;
	struct sockaddr_in *from = (struct sockaddr_in *)&source->socket;
	*source = (struct address){ .socket_bytes = sizeof(*from) };
	from->sin_family = AF_INET;
	from->sin_addr.s_addr = htonl(INADDR_LOOPBACK + ((block & 0xffff) << 8));
	return true;
}
