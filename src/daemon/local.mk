noinst_LTLIBRARIES += libconfig.la
libconfig_la_SOURCES = src/daemon/config.c src/daemon/config.h src/daemon/config.tbl
libconfig_la_CFLAGS = $(AM_CFLAGS)

check_PROGRAMS += tests/unit/test_config
TESTS += tests/unit/test_config
tests_unit_test_config_SOURCES = tests/unit/test_config.c
tests_unit_test_config_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_config_LDADD = libconfig.la libbase.la $(CMOCKA_LIBS)

noinst_LTLIBRARIES += libtoken.la
libtoken_la_SOURCES = src/daemon/token.c src/daemon/token.h src/daemon/token_verdicts.tbl
libtoken_la_CFLAGS = $(AM_CFLAGS) $(CJOSE_CFLAGS)
libtoken_la_LIBADD = $(CJOSE_LIBS)

check_PROGRAMS += tests/unit/test_token
TESTS += tests/unit/test_token
tests_unit_test_token_SOURCES = tests/unit/test_token.c
tests_unit_test_token_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_token_LDADD = libtoken.la libproto.la libbase.la $(CMOCKA_LIBS)

# Where the control socket lies: shared by the daemon and nearbyctl.
noinst_LTLIBRARIES += libpaths.la
libpaths_la_SOURCES = src/daemon/paths.c src/daemon/paths.h

check_PROGRAMS += tests/unit/test_paths
TESTS += tests/unit/test_paths
tests_unit_test_paths_SOURCES = tests/unit/test_paths.c
tests_unit_test_paths_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_paths_LDADD = libpaths.la $(CMOCKA_LIBS)
