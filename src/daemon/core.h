/*
 * Owns: the threads of the cores and their loop.
 * Invariant: a core's network and app are made, used and ended on its own thread.
 * Thread: cores_start, cores_halt, cores_close on the main thread.
 * Does not know: what a turn does.
 */
#ifndef NEARBY_DAEMON_CORE_H
#define NEARBY_DAEMON_CORE_H

#include "app/app.h"

struct cores;

/*
 * Starts shared->cores threads, each with its network listening and its app attached; returns when all
 * are in their loop. 0, or negative errno with *reason; then none runs any more. `control_address`
 * ("unix:/path") and the admin addresses are served by core 0 alone: so changes of friendships have
 * one order.
 */
int cores_start(_Atomic(struct cores *) *cores, struct app_shared *shared, const char *control_address,
		const char **reason);
/* Ends the loops; the networks stay, as the store may still wake them. */
void cores_halt(struct cores *cores);
/* After cores_halt and the end of the store: closes all and ends the threads. */
void cores_close(_Atomic(struct cores *) *cores);
/* Ends the wait of core `core`, from any thread; for the store. */
void cores_wake(struct cores *cores, uint32_t core);
/* A core ended its loop by itself: a failure that it cannot live with. */
bool cores_have_failed(const struct cores *cores);
/* The port that the first public or admin address of that manner was bound to (0 picks one), for the log;
 * 0 when there is none. */
uint16_t cores_port(const struct cores *cores, enum app_listener listener, unsigned manner);

#endif
