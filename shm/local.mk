lib_LTLIBRARIES += libnearbyshm.la
include_HEADERS += shm/nearbyshm.h
pkgconfig_DATA += shm/nearbyshm.pc
shm_sources = \
	shm/counters.c \
	shm/header.c \
	shm/layout.c shm/layout.h \
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
