/*
 * Owns: see redis.h.
 * Invariant: see redis.h.
 * Thread: one.
 * Does not know: what is kept in it.
 */
#include "redis.h"

#include "base/check.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define INPUT_BYTES (1u << 20)
/* The server has 200 x 25 ms to listen. */
#define CONNECT_TRIES 200
#define CONNECT_WAIT_NS 25000000

struct redis {
	pid_t pid;
	int fd;
	char directory[32];
	char version[64];
	uint8_t *output;
	uint32_t output_count;
	uint8_t *input;
	uint32_t input_at, input_count;
};

/* ---- the server ------------------------------------------------------------------------------ */

static void socket_path(const struct redis *redis, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(address->sun_path, sizeof(address->sun_path), "%s/socket", redis->directory);
}

static bool read_version(struct redis *redis)
{
	FILE *pipe = popen("redis-server --version 2>/dev/null", "r");
	char line[256] = "";
	bool is_there = pipe != NULL && fgets(line, sizeof(line), pipe) != NULL;
	if (pipe != NULL)
		pclose(pipe);
	const char *version = strstr(line, "v=");
	if (!is_there || version == NULL)
		return false;
	snprintf(redis->version, sizeof(redis->version), "%.*s", (int)strcspn(version + 2, " \n"),
		 version + 2);
	return true;
}

_Noreturn static void become_server(const struct redis *redis, pid_t parent)
{
	struct sockaddr_un address;
	socket_path(redis, &address);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent && freopen("/dev/null", "w", stdout) != NULL)
		execlp("redis-server", "redis-server", "--port", "0", "--unixsocket",
		       address.sun_path, "--dir", redis->directory, "--save", "", "--appendonly",
		       "no", "--daemonize", "no", "--enable-debug-command", "yes", (char *)NULL);
	_exit(127);
}

static bool connect_once(struct redis *redis)
{
	struct sockaddr_un address;
	socket_path(redis, &address);
	redis->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	check(redis->fd >= 0);
	if (connect(redis->fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return true;
	close(redis->fd);
	redis->fd = -1;
	return false;
}

static bool connect_when_up(struct redis *redis)
{
	struct timespec wait = { .tv_nsec = CONNECT_WAIT_NS };
	for (int i = 0; i < CONNECT_TRIES; i++) {
		if (connect_once(redis))
			return true;
		if (waitpid(redis->pid, NULL, WNOHANG) == redis->pid) {
			redis->pid = 0;
			return false;
		}
		nanosleep(&wait, NULL);
	}
	return false;
}

static bool start(struct redis *redis)
{
	strcpy(redis->directory, "/tmp/nearby-redis-XXXXXX");
	check(mkdtemp(redis->directory) != NULL);
	pid_t parent = getpid();
	redis->pid = fork();
	check(redis->pid >= 0);
	if (redis->pid == 0)
		become_server(redis, parent);
	return connect_when_up(redis);
}

bool redis_open(struct redis **redis, const char **reason)
{
	struct redis *made = calloc(1, sizeof(*made));
	check(made != NULL);
	made->fd = -1;
	made->output = malloc(REDIS_OUTPUT_BYTES);
	made->input = malloc(INPUT_BYTES);
	check(made->output != NULL && made->input != NULL);
	*redis = made;
	*reason = "redis-server is not installed";
	if (read_version(made)) {
		*reason = "redis-server did not come up";
		if (start(made))
			return true;
	}
	redis_close(redis);
	return false;
}

void redis_close(struct redis **redis)
{
	struct redis *of = *redis;
	struct sockaddr_un address;
	if (of->fd >= 0)
		close(of->fd);
	if (of->pid > 0) {
		kill(of->pid, SIGKILL);
		waitpid(of->pid, NULL, 0);
	}
	if (of->directory[0] != '\0') {
		socket_path(of, &address);
		unlink(address.sun_path);
		rmdir(of->directory);
	}
	free(of->output);
	free(of->input);
	free(of);
	*redis = NULL;
}

const char *redis_version(const struct redis *redis)
{
	return redis->version;
}

double redis_cpu_s(const struct redis *redis)
{
	char path[64], line[1024] = "";
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)redis->pid);
	FILE *file = fopen(path, "r");
	check(file != NULL && fgets(line, sizeof(line), file) != NULL);
	fclose(file);
	/* The name, which may hold anything, ends with the last parenthesis. */
	const char *rest = strrchr(line, ')');
	unsigned long user, system;
	check(rest != NULL);
	check(sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
		     &system) == 2);
	return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

double redis_memory_bytes(const struct redis *redis)
{
	char path[64];
	unsigned long all, resident;
	snprintf(path, sizeof(path), "/proc/%d/statm", (int)redis->pid);
	FILE *file = fopen(path, "r");
	check(file != NULL && fscanf(file, "%lu %lu", &all, &resident) == 2);
	fclose(file);
	return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

/* ---- commands -------------------------------------------------------------------------------- */

static void send_all(struct redis *redis)
{
	uint32_t sent = 0;
	while (sent < redis->output_count) {
		ssize_t n = send(redis->fd, redis->output + sent, redis->output_count - sent,
				 MSG_NOSIGNAL);
		check(n > 0 || errno == EINTR);
		sent += n > 0 ? (uint32_t)n : 0;
	}
	redis->output_count = 0;
}

static void put(struct redis *redis, const void *bytes, uint32_t length)
{
	check(redis->output_count + length <= REDIS_OUTPUT_BYTES);
	memcpy(redis->output + redis->output_count, bytes, length);
	redis->output_count += length;
}

static void put_count(struct redis *redis, char sign, uint32_t count)
{
	char digits[16];
	uint32_t at = sizeof(digits);
	digits[--at] = '\n';
	digits[--at] = '\r';
	do
		digits[--at] = (char)('0' + count % 10);
	while ((count /= 10) > 0);
	digits[--at] = sign;
	put(redis, digits + at, (uint32_t)sizeof(digits) - at);
}

void redis_begin(struct redis *redis, uint32_t words)
{
	put_count(redis, '*', words);
}

void redis_word(struct redis *redis, const void *bytes, uint32_t length)
{
	put_count(redis, '$', length);
	put(redis, bytes, length);
	put(redis, "\r\n", 2);
}

/* ---- replies --------------------------------------------------------------------------------- */

static uint8_t next_byte(struct redis *redis)
{
	while (redis->input_at == redis->input_count) {
		ssize_t n = recv(redis->fd, redis->input, INPUT_BYTES, 0);
		check(n > 0 || (n < 0 && errno == EINTR));
		redis->input_at = 0;
		redis->input_count = n > 0 ? (uint32_t)n : 0;
	}
	return redis->input[redis->input_at++];
}

static void read_line(struct redis *redis, char line[128])
{
	uint32_t length = 0;
	for (uint8_t byte; (byte = next_byte(redis)) != '\n';)
		if (byte != '\r' && length < 127)
			line[length++] = (char)byte;
	line[length] = '\0';
}

static void skip(struct redis *redis, uint64_t bytes)
{
	while (bytes > 0) {
		next_byte(redis);
		redis->input_at--;
		uint64_t have = redis->input_count - redis->input_at;
		uint64_t taken = have < bytes ? have : bytes;
		redis->input_at += (uint32_t)taken;
		bytes -= taken;
	}
}

/* One reply; of a list, its head. Returns how many more belong to it. */
static uint64_t read_one(struct redis *redis, struct redis_replies *said)
{
	char line[128];
	read_line(redis, line);
	long long value = atoll(line + 1);
	switch (line[0]) {
	case '+':
		said->ok++;
		return 0;
	case ':':
		said->sum += value;
		return 0;
	case '*':
		return value > 0 ? (uint64_t)value : 0;
	case '$':
		if (value < 0) {
			said->absent++;
		} else {
			said->bulk++;
			skip(redis, (uint64_t)value + 2);
		}
		return 0;
	default:
		fprintf(stderr, "redis: %s\n", line);
		exit(1);
	}
}

void redis_finish(struct redis *redis, uint64_t replies, struct redis_replies *said)
{
	send_all(redis);
	while (replies > 0)
		replies += read_one(redis, said) - 1;
}
