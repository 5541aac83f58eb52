/*
 * Owns: where a running instance's control socket lies.
 * Invariant: daemon and nearbyctl of the same user and environment find the same path, and nobody
 *   else can have put a socket there.
 * Thread: any; the environment must not be changed meanwhile.
 * Does not know: what is spoken over the socket.
 *
 * The directory is the first of these that applies:
 *   $RUNTIME_DIRECTORY     as systemd sets it (the first of a list)
 *   /run/nearby            for root
 *   $XDG_RUNTIME_DIR/nearby
 *   /tmp/nearby-<uid>
 * and the socket in it is <instance>.sock.
 */
#ifndef NEARBY_DAEMON_PATHS_H
#define NEARBY_DAEMON_PATHS_H

/* Bytes of a Unix socket's path with its NUL: sun_path of struct sockaddr_un. */
#define PATHS_SOCKET_BYTES 108

/*
 * Writes the path of the instance's control socket, and touches nothing. 0; -EINVAL: no name of an
 * instance (1 to 32 letters, digits, '-', '_'); -ENAMETOOLONG: it fits no socket address.
 */
int paths_control_socket(const char *instance, char path[PATHS_SOCKET_BYTES]);

/*
 * Whether the directory of a control socket can be trusted: a directory that belongs to this user or
 * to root and that no one else can write to; root trusts what stands there, whoever owns it. 0;
 * -ENOENT; -ENOTDIR; -EPERM when it is another's or open to others. For nearbyctl.
 */
int paths_directory_verify(const char *socket_path);

/* Makes that directory (mode 0700) when it is missing, then verifies it. For the daemon. 0, or as
 * above, or the errno of mkdir. */
int paths_directory_make(const char *socket_path);

#endif
