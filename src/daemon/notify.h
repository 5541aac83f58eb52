/*
 * Owns: telling systemd how the daemon is (sd_notify(3), by its documented datagram protocol).
 * Invariant: without NOTIFY_SOCKET in the environment nothing happens.
 * Thread: main.
 * Does not know: what the states mean for us.
 */
#ifndef NEARBY_DAEMON_NOTIFY_H
#define NEARBY_DAEMON_NOTIFY_H

/* "READY=1", "STOPPING=1", "WATCHDOG=1", "RELOADING=1", "STATUS=..."; several are split by newlines. */
void notify_systemd(const char *state);

#endif
