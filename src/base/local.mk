noinst_LTLIBRARIES += libbase.la
libbase_la_SOURCES = \
	src/base/address.c src/base/address.h \
	src/base/check.c src/base/check.h \
	src/base/clock.h \
	src/base/counter.h \
	src/base/digits.h \
	src/base/id.c src/base/id.h \
	src/base/log.c src/base/log.h \
	src/base/reserve.c src/base/reserve.h \
	src/base/ring.c src/base/ring.h \
	src/base/sharing.h \
	src/base/siphash.c src/base/siphash.h \
	src/base/writer.c src/base/writer.h
libbase_la_CFLAGS = $(AM_CFLAGS) $(CK_CFLAGS)

check_PROGRAMS += tests/unit/test_base
TESTS += tests/unit/test_base
tests_unit_test_base_SOURCES = tests/unit/test_base.c
tests_unit_test_base_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_base_LDADD = libbase.la $(CMOCKA_LIBS)
