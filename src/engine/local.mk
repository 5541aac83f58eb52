noinst_LTLIBRARIES += libengine.la
libengine_la_SOURCES = \
	src/engine/answer.h \
	src/engine/arena.c src/engine/arena.h \
	src/engine/channel.c src/engine/channel.h \
	src/engine/engine.c src/engine/engine.h src/engine/engine_private.h \
	src/engine/engine_counters.tbl \
	src/engine/evaluate.c src/engine/evaluate.h \
	src/engine/flush.c \
	src/engine/friendship.c src/engine/friendship.h \
	src/engine/geo.c src/engine/geo.h \
	src/engine/location.c src/engine/location.h \
	src/engine/look.c src/engine/look.h \
	src/engine/nearby.c src/engine/nearby.h \
	src/engine/pace.c src/engine/pace.h \
	src/engine/peer.c src/engine/peer.h \
	src/engine/privacy.c src/engine/privacy.h \
	src/engine/session.c src/engine/session.h \
	src/engine/subscription.c src/engine/subscription.h \
	src/engine/sweep.c src/engine/sweep.h \
	src/engine/taglist.c src/engine/taglist.h
libengine_la_LIBADD = -lm

check_PROGRAMS += tests/unit/test_engine
TESTS += tests/unit/test_engine
tests_unit_test_engine_SOURCES = tests/unit/test_engine.c tests/unit/engine_world.c tests/unit/engine_world.h
tests_unit_test_engine_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_engine_LDADD = libengine.la libnearbyshm.la libbase.la $(CMOCKA_LIBS)
