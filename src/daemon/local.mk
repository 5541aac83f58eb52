sbin_PROGRAMS += nearbyd
nearbyd_SOURCES = \
	src/daemon/core.c src/daemon/core.h \
	src/daemon/main.c \
	src/daemon/notify.c src/daemon/notify.h \
	src/daemon/watch.c src/daemon/watch.h
nearbyd_LDADD = libpaths.la libapp.la libconfig.la libtoken.la libnet.la libstore.la libengine.la \
	libproto.la libnearbyshm.la libbase.la

# Where the control socket lies: shared by the daemon and nearbyctl.
noinst_LTLIBRARIES += libpaths.la
libpaths_la_SOURCES = src/daemon/paths.c src/daemon/paths.h

check_PROGRAMS += tests/unit/test_paths
TESTS += tests/unit/test_paths
tests_unit_test_paths_SOURCES = tests/unit/test_paths.c
tests_unit_test_paths_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_paths_LDADD = libpaths.la $(CMOCKA_LIBS)
