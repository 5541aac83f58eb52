/*
 * Owns: short stories: files that say what happens and what everyone is then told.
 * Invariant: a story holds when each thing that happens leads to exactly the lines written under
 *   it, for every number of cores that it names.
 * Thread: one.
 * Does not know: chance.
 *
 * A story is lines of words. '#' begins a comment. What happens stands in a line of its own; the
 * lines after it that begin with '>' are what devices receive from it, sorted. After each line the
 * machine runs until nothing more can be done at that moment.
 *
 * Before it begins:
 *   users ann bob@1 ...      who lives in it; '@1': homed at core 1 of the first number of cores
 *   crowd 30                 last, further users c0 .. c29, all friends of the first one; what they
 *                            receive themselves is not shown
 *   cores 1 2 8              the story is told once for each; 1, 2 and 8 when not said
 *   radius METRES            8046.72 when not said
 *   ttl SECONDS              600 when not said
 *   interval MS              between two frames to one device; 0 when not said
 *   channels COUNT           users that a core can know of; more than enough when not said
 *   origin LAT LON           where 0 0 is; 52.52 13.405 when not said
 *   friends ann bob          are friends from the start
 * Then:
 *   join ann[.phone]         a device connects; it is called ann, or ann.phone
 *   load ann                 its list of friends is read now; the next join of ann enters with it
 *   leave DEVICE
 *   at DEVICE EAST NORTH [AGE_MS]   it sends a location, in metres from the origin, with its
 *                            clock at now minus AGE_MS
 *   nearby DEVICE [LIMIT]    the first page; more DEVICE [LIMIT]: the page after it
 *   list USER                all pages over HTTP
 *   subscribe DEVICE USER, unsubscribe DEVICE USER
 *   befriend USER USER, unfriend USER USER, rename USER NAME
 *   share USER MODE [USER]   precise, approximate or off for all, or for this friend; then also default
 *   forget USER              its location goes, as when the user is deleted
 *   pause DEVICE, resume DEVICE
 *   wait SECONDS             time passes, timers run
 *   clock SECONDS            the wall clock jumps
 *   hold CORE CORE, release CORE CORE    the link from one to the other stands still
 *   deaf CORE, hearing CORE  the core does not hear of changes of friends and names
 *   gather METRES            each of the crowd is a step further east; scatter: all are far away
 *   restart CORES            the daemon dies, and another adopts the segment
 */
#ifndef NEARBY_SIM_STORY_H
#define NEARBY_SIM_STORY_H

#include <stdbool.h>
#include <stdio.h>

/* Plays the story of a file. False when it does not hold; then the difference is on stderr. */
bool story_holds(const char *path);
/* Writes the file out with the lines that really come, for the first number of cores it names. */
bool story_tell(const char *path, FILE *to);

#endif
