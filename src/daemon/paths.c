/*
 * Owns: the rule of paths.h, and the check of the directory.
 * Invariant: a path that is given out is absolute and fits a socket address.
 * Thread: any; the environment must not be changed meanwhile.
 * Does not know: sockets.
 */
#include "daemon/paths.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nearbyshm.h"

static bool is_instance_name(const char *name)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	size_t length = strlen(name);
	return length >= 1 && length <= NEARBYSHM_INSTANCE_BYTES && strspn(name, allowed) == length;
}

static bool is_absolute(const char *path)
{
	return path != NULL && path[0] == '/';
}

int paths_control_socket(const char *instance, char path[PATHS_SOCKET_BYTES])
{
	if (!is_instance_name(instance))
		return -EINVAL;
	const char *systemd = getenv("RUNTIME_DIRECTORY");
	const char *session = getenv("XDG_RUNTIME_DIR");
	int length;
	if (is_absolute(systemd))
		length = snprintf(path, PATHS_SOCKET_BYTES, "%.*s/%s.sock", (int)strcspn(systemd, ":"),
				  systemd, instance);
	else if (geteuid() == 0)
		length = snprintf(path, PATHS_SOCKET_BYTES, "/run/nearby/%s.sock", instance);
	else if (is_absolute(session))
		length = snprintf(path, PATHS_SOCKET_BYTES, "%s/nearby/%s.sock", session, instance);
	else
		length = snprintf(path, PATHS_SOCKET_BYTES, "/tmp/nearby-%u/%s.sock",
				  (unsigned)geteuid(), instance);
	return length < PATHS_SOCKET_BYTES ? 0 : -ENAMETOOLONG;
}

static void directory_of(const char *socket_path, char directory[PATHS_SOCKET_BYTES])
{
	const char *slash = strrchr(socket_path, '/');
	size_t length = slash == NULL ? 0 : (size_t)(slash - socket_path);
	snprintf(directory, PATHS_SOCKET_BYTES, "%.*s", (int)length, socket_path);
}

int paths_directory_verify(const char *socket_path)
{
	char directory[PATHS_SOCKET_BYTES];
	directory_of(socket_path, directory);
	/* lstat: in /tmp anyone could have put a link there that leads elsewhere. */
	struct stat found;
	if (lstat(directory, &found) != 0)
		return -errno;
	if (!S_ISDIR(found.st_mode))
		return -ENOTDIR;
	bool is_ours = found.st_uid == geteuid() || found.st_uid == 0 || geteuid() == 0;
	return is_ours && (found.st_mode & (S_IWGRP | S_IWOTH)) == 0 ? 0 : -EPERM;
}

int paths_directory_make(const char *socket_path)
{
	char directory[PATHS_SOCKET_BYTES];
	directory_of(socket_path, directory);
	if (mkdir(directory, 0700) != 0 && errno != EEXIST)
		return -errno;
	return paths_directory_verify(socket_path);
}
