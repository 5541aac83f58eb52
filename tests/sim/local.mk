# Whole machines on one thread: random lives from seeds, stories, and the replay of real check-ins.
noinst_LTLIBRARIES += libcluster.la
libcluster_la_SOURCES = \
	tests/sim/book.c tests/sim/book.h \
	tests/sim/clients.c \
	tests/sim/cluster.c tests/sim/cluster.h tests/sim/cluster_state.h \
	tests/sim/company.c tests/sim/company.h \
	tests/sim/globe.c tests/sim/globe.h \
	tests/sim/judge.c \
	tests/sim/oracle.c tests/sim/oracle.h tests/sim/oracle_state.h
libcluster_la_LIBADD = libengine.la libproto.la libnearbyshm.la libbase.la -lm

check_PROGRAMS += tests/sim/sim tests/sim/replay_gowalla
tests_sim_sim_SOURCES = \
	tests/sim/chaos.c tests/sim/chaos.h \
	tests/sim/dice.h \
	tests/sim/sim.c \
	tests/sim/story.c tests/sim/story.h \
	tests/sim/tell.c tests/sim/tell.h \
	tests/sim/world.c tests/sim/world.h
tests_sim_sim_LDADD = libcluster.la
tests_sim_replay_gowalla_SOURCES = tests/sim/replay_gowalla.c
tests_sim_replay_gowalla_LDADD = libcluster.la

TESTS += tests/sim/replay_gowalla tests/sim/check-seeds tests/sim/check-stories
EXTRA_DIST += \
	tests/sim/check-seeds tests/sim/check-stories \
	tests/sim/stories/01-a-friend-comes-and-goes.story \
	tests/sim/stories/02-the-list-that-answers-a-first-location.story \
	tests/sim/stories/03-strangers-hear-nothing.story \
	tests/sim/stories/04-befriend-and-unfriend.story \
	tests/sim/stories/05-idle.story \
	tests/sim/stories/06-own-movement.story \
	tests/sim/stories/07-several-devices.story \
	tests/sim/stories/08-mute.story \
	tests/sim/stories/09-pages.story \
	tests/sim/stories/10-many-friends.story \
	tests/sim/stories/11-pause.story \
	tests/sim/stories/12-interval.story \
	tests/sim/stories/13-clocks.story \
	tests/sim/stories/14-names.story \
	tests/sim/stories/15-restart.story \
	tests/sim/stories/16-a-link-stands-still.story \
	tests/sim/stories/17-unfriended-while-a-move-is-under-way.story \
	tests/sim/stories/18-poles-and-the-antimeridian.story \
	tests/sim/stories/19-the-pole.story \
	tests/sim/stories/20-a-full-core.story \
	tests/sim/stories/21-friendships-change-during-a-join.story \
	tests/sim/stories/22-forgotten.story \
	tests/sim/stories/23-off.story \
	tests/sim/stories/24-approximate.story \
	tests/sim/stories/25-one-friend.story \
	tests/sim/stories/26-off-while-a-move-is-under-way.story \
	tests/sim/stories/27-modes-outlive-the-daemon.story
