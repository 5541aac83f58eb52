noinst_LTLIBRARIES += libconfig.la
libconfig_la_SOURCES = src/daemon/config.c src/daemon/config.h src/daemon/config.tbl
libconfig_la_CFLAGS = $(AM_CFLAGS)

check_PROGRAMS += tests/unit/test_config
TESTS += tests/unit/test_config
tests_unit_test_config_SOURCES = tests/unit/test_config.c
tests_unit_test_config_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_config_LDADD = libconfig.la libbase.la $(CMOCKA_LIBS)
