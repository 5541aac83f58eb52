/*
 * Owns: one HTTP request to the admin listener.
 * Invariant: see the header.
 * Thread: the caller's; blocks.
 * Does not know: what is imported.
 */
#include "bench/admin.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define RESPONSE_BYTES_MAX 4096

static int admin_connect(const struct address *address, unsigned timeout_s)
{
	struct timeval timeout = { .tv_sec = timeout_s };
	int fd = socket(address->socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(fd, (const struct sockaddr *)&address->socket, address->socket_bytes) < 0) {
		int error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

/* A timeout of the socket shows as EAGAIN. */
static int admin_error(void)
{
	return errno == EAGAIN ? -ETIMEDOUT : -errno;
}

static int send_all(int fd, const void *bytes, size_t length)
{
	for (size_t sent = 0; sent < length;) {
		ssize_t n = send(fd, (const char *)bytes + sent, length - sent, MSG_NOSIGNAL);
		if (n < 0)
			return admin_error();
		sent += (size_t)n;
	}
	return 0;
}

/* Reads to the end of the connection, and keeps the beginning. */
static int receive_answer(int fd, struct admin_answer *answer)
{
	char response[RESPONSE_BYTES_MAX + 1];
	size_t length = 0;
	while (length < RESPONSE_BYTES_MAX) {
		ssize_t n = recv(fd, response + length, RESPONSE_BYTES_MAX - length, 0);
		if (n < 0)
			return admin_error();
		if (n == 0)
			break;
		length += (size_t)n;
	}
	response[length] = 0;
	if (sscanf(response, "HTTP/1.%*u %u", &answer->status) != 1)
		return -EPROTO;
	const char *body = strstr(response, "\r\n\r\n");
	snprintf(answer->body, sizeof(answer->body), "%s", body == NULL ? "" : body + 4);
	return 0;
}

int admin_post(const struct address *address, const char *token, const char *path,
	       const char *content_type, const void *body, size_t length, unsigned timeout_s,
	       struct admin_answer *answer)
{
	char head[4096];
	int head_bytes = snprintf(head, sizeof(head),
				  "POST %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n"
				  "Authorization: Bearer %s\r\nContent-Type: %s\r\n"
				  "Content-Length: %zu\r\n\r\n",
				  path, address->host, token, content_type, length);
	if (head_bytes < 0 || (size_t)head_bytes >= sizeof(head))
		return -E2BIG;
	int fd = admin_connect(address, timeout_s);
	if (fd < 0)
		return fd;
	int error = send_all(fd, head, (size_t)head_bytes);
	if (error == 0)
		error = send_all(fd, body, length);
	/* A server that refuses may answer, and close, before it has read everything. */
	if (error == 0 || error == -EPIPE || error == -ECONNRESET)
		error = receive_answer(fd, answer);
	close(fd);
	return error;
}
