noinst_LTLIBRARIES += libengine.la
libengine_la_SOURCES = \
	src/engine/answer.h \
	src/engine/arena.c src/engine/arena.h \
	src/engine/channel.c src/engine/channel.h \
	src/engine/directory.c src/engine/directory.h \
	src/engine/engine.c src/engine/engine.h src/engine/engine_private.h \
	src/engine/engine_counters.tbl \
	src/engine/evaluate.c src/engine/evaluate.h \
	src/engine/expect.c \
	src/engine/flush.c \
	src/engine/friendship.c src/engine/friendship.h \
	src/engine/geo.c src/engine/geo.h \
	src/engine/geohash.c src/engine/geohash.h \
	src/engine/location.c src/engine/location.h \
	src/engine/grid.c src/engine/grid.h \
	src/engine/herald.c src/engine/herald.h \
	src/engine/look.c src/engine/look.h \
	src/engine/mark.h \
	src/engine/merge.c src/engine/merge.h \
	src/engine/nearby.c src/engine/nearby.h \
	src/engine/pace.c src/engine/pace.h \
	src/engine/peer.c src/engine/peer.h \
	src/engine/persona.c src/engine/persona.h \
	src/engine/presence.c src/engine/presence.h \
	src/engine/privacy.c src/engine/privacy.h \
	src/engine/roll.c src/engine/roll.h \
	src/engine/session.c src/engine/session.h \
	src/engine/sharing.c src/engine/sharing.h \
	src/engine/sighting.c src/engine/sighting.h \
	src/engine/strangers.c src/engine/strangers.h \
	src/engine/subscription.c src/engine/subscription.h \
	src/engine/sweep.c src/engine/sweep.h \
	src/engine/taglist.c src/engine/taglist.h \
	src/engine/view.c src/engine/view.h
libengine_la_LIBADD = -lm

engine_world = tests/unit/engine_world.c tests/unit/engine_world.h
engine_test_libs = libengine.la libnearbyshm.la libbase.la $(CMOCKA_LIBS)
engine_tests = \
	tests/unit/test_arena \
	tests/unit/test_engine \
	tests/unit/test_engine_limits \
	tests/unit/test_engine_mesh \
	tests/unit/test_engine_sharing \
	tests/unit/test_engine_strangers \
	tests/unit/test_engine_tracking \
	tests/unit/test_engine_time \
	tests/unit/test_geo \
	tests/unit/test_geohash \
	tests/unit/test_grid
check_PROGRAMS += $(engine_tests)
TESTS += $(engine_tests)

tests_unit_test_engine_SOURCES = tests/unit/test_engine.c $(engine_world)
tests_unit_test_engine_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_engine_LDADD = $(engine_test_libs)

tests_unit_test_engine_limits_SOURCES = tests/unit/test_engine_limits.c $(engine_world)
tests_unit_test_engine_limits_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_engine_limits_LDADD = $(engine_test_libs)

tests_unit_test_engine_mesh_SOURCES = tests/unit/test_engine_mesh.c $(engine_world)
tests_unit_test_engine_mesh_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_engine_mesh_LDADD = $(engine_test_libs)

tests_unit_test_engine_time_SOURCES = tests/unit/test_engine_time.c $(engine_world)
tests_unit_test_engine_time_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_engine_time_LDADD = $(engine_test_libs)

tests_unit_test_arena_SOURCES = tests/unit/test_arena.c
tests_unit_test_arena_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_arena_LDADD = $(engine_test_libs)

tests_unit_test_geo_SOURCES = tests/unit/test_geo.c
tests_unit_test_geo_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_geo_LDADD = $(engine_test_libs) -lm

tests_unit_test_grid_SOURCES = tests/unit/test_grid.c
tests_unit_test_grid_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_grid_LDADD = $(engine_test_libs) -lm

tests_unit_test_engine_sharing_SOURCES = tests/unit/test_engine_sharing.c $(engine_world)
tests_unit_test_engine_sharing_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_engine_sharing_LDADD = $(engine_test_libs) -lm

tests_unit_test_engine_tracking_SOURCES = tests/unit/test_engine_tracking.c $(engine_world)
tests_unit_test_engine_tracking_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_engine_tracking_LDADD = $(engine_test_libs) -lm

tests_unit_test_geohash_SOURCES = tests/unit/test_geohash.c
tests_unit_test_geohash_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_geohash_LDADD = $(engine_test_libs) -lm

tests_unit_test_engine_strangers_SOURCES = tests/unit/test_engine_strangers.c $(engine_world)
tests_unit_test_engine_strangers_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_engine_strangers_LDADD = $(engine_test_libs) -lm
