lib_LTLIBRARIES += libnearbyshm.la
include_HEADERS += shm/nearbyshm.h
pkgconfig_DATA += shm/nearbyshm.pc
shm_sources = \
	shm/bucket.h \
	shm/counters.c \
	shm/header.c \
	shm/layout.c shm/layout.h \
	shm/memory.c \
	shm/partition.h \
	shm/repair.c \
	shm/segment.c \
	shm/table.c
libnearbyshm_la_SOURCES = $(shm_sources)
# Calls within the library are direct ones and may be inlined.
libnearbyshm_la_CFLAGS = $(AM_CFLAGS) -fno-semantic-interposition
libnearbyshm_la_LDFLAGS = $(AM_LDFLAGS) -version-info 0:0:0 -export-symbols-regex '^nearby_'

check_PROGRAMS += tests/unit/test_shm
TESTS += tests/unit/test_shm
tests_unit_test_shm_SOURCES = tests/unit/test_shm.c
tests_unit_test_shm_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_shm_LDADD = libnearbyshm.la libbase.la $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_segment
TESTS += tests/unit/test_segment
tests_unit_test_segment_SOURCES = tests/unit/test_segment.c
tests_unit_test_segment_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_segment_LDADD = libnearbyshm.la libbase.la $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_shm_threads
TESTS += tests/unit/test_shm_threads
tests_unit_test_shm_threads_SOURCES = tests/unit/test_shm_threads.c
tests_unit_test_shm_threads_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -pthread
tests_unit_test_shm_threads_LDADD = libnearbyshm.la libbase.la $(CMOCKA_LIBS)

# These bring their own copy of shm/, in which each load and store is a step that a test may stop at.
check_PROGRAMS += tests/unit/test_shm_kill
TESTS += tests/unit/test_shm_kill
tests_unit_test_shm_kill_SOURCES = tests/unit/test_shm_kill.c $(shm_sources)
tests_unit_test_shm_kill_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -DNEARBYSHM_TEST_STEPS
tests_unit_test_shm_kill_LDADD = libbase.la $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_shm_steps
TESTS += tests/unit/test_shm_steps
tests_unit_test_shm_steps_SOURCES = tests/unit/test_shm_steps.c $(shm_sources)
tests_unit_test_shm_steps_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -DNEARBYSHM_TEST_STEPS
tests_unit_test_shm_steps_LDADD = libbase.la $(CMOCKA_LIBS)

# The programs that nearby-shm(5) shows.
check_PROGRAMS += man/examples/shm-read tests/unit/test_shm_example
TESTS += tests/unit/test_shm_example
EXTRA_DIST += man/examples/shm-read.py
man_examples_shm_read_SOURCES = man/examples/shm-read.c
man_examples_shm_read_LDADD = libnearbyshm.la
tests_unit_test_shm_example_SOURCES = tests/unit/test_shm_example.c
tests_unit_test_shm_example_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_shm_example_LDADD = libnearbyshm.la libbase.la $(CMOCKA_LIBS)
