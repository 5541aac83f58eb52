noinst_LTLIBRARIES += libstore.la
libstore_la_SOURCES = \
	src/store/bars.c src/store/bars.h \
	src/store/bell.c src/store/bell.h \
	src/store/bits.h \
	src/store/block.c src/store/block.h \
	src/store/consent.c src/store/consent.h \
	src/store/exception_row.c src/store/exception_row.h \
	src/store/erase.c \
	src/store/eraser.c src/store/eraser.h \
	src/store/history.c src/store/history.h \
	src/store/history_check.c \
	src/store/lane.c src/store/lane.h \
	src/store/lmdb.c src/store/lmdb.h src/store/lmdb_private.h \
	src/store/lmdb_pages.c \
	src/store/lmdb_txn.c \
	src/store/name_cache.c src/store/name_cache.h \
	src/store/people.c src/store/people.h \
	src/store/page.c src/store/page.h \
	src/store/point.c src/store/point.h \
	src/store/portion.c \
	src/store/profile_row.c src/store/profile_row.h \
	src/store/reader_thread.c \
	src/store/reason.c src/store/reason.h \
	src/store/recent.c src/store/recent.h \
	src/store/relation.c src/store/relation.h \
	src/store/run.c src/store/run.h \
	src/store/scan.c src/store/scan.h \
	src/store/scrub.c src/store/scrub.h \
	src/store/scrubber.c src/store/scrubber.h \
	src/store/store.c src/store/store.h \
	src/store/store_counters.tbl \
	src/store/threads.h \
	src/store/upkeep.c \
	src/store/user_sharing.c src/store/user_sharing.h \
	src/store/user_tables.h \
	src/store/user_values.c src/store/user_values.h \
	src/store/users.c src/store/users.h \
	src/store/users_check.c \
	src/store/users_file.c src/store/users_file.h \
	src/store/users_thread.c \
	src/store/warm.c src/store/warm.h \
	src/store/writer_thread.c
libstore_la_CFLAGS = $(AM_CFLAGS) $(LMDB_CFLAGS)
libstore_la_LIBADD = $(LMDB_LIBS) -lpthread

check_PROGRAMS += tests/unit/test_store
TESTS += tests/unit/test_store
tests_unit_test_store_SOURCES = tests/unit/test_store.c tests/unit/store_fixture.h
tests_unit_test_store_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_store_LDADD = libstore.la libbase.la $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_store_consent
TESTS += tests/unit/test_store_consent
tests_unit_test_store_consent_SOURCES = tests/unit/test_store_consent.c tests/unit/store_fixture.h
tests_unit_test_store_consent_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_store_consent_LDADD = libstore.la libbase.la $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_store_sharing
TESTS += tests/unit/test_store_sharing
tests_unit_test_store_sharing_SOURCES = tests/unit/test_store_sharing.c tests/unit/store_fixture.h
tests_unit_test_store_sharing_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_store_sharing_LDADD = libstore.la libbase.la $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_store_block
TESTS += tests/unit/test_store_block
tests_unit_test_store_block_SOURCES = tests/unit/test_store_block.c
tests_unit_test_store_block_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_store_block_LDADD = libstore.la libbase.la $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_store_history
TESTS += tests/unit/test_store_history
tests_unit_test_store_history_SOURCES = tests/unit/test_store_history.c tests/unit/store_fixture.h
tests_unit_test_store_history_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_store_history_LDADD = libstore.la libbase.la $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_store_failures
TESTS += tests/unit/test_store_failures
tests_unit_test_store_failures_SOURCES = tests/unit/test_store_failures.c tests/unit/store_fixture.h
tests_unit_test_store_failures_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_store_failures_LDADD = libstore.la libbase.la $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_name_cache
TESTS += tests/unit/test_name_cache
tests_unit_test_name_cache_SOURCES = tests/unit/test_name_cache.c
tests_unit_test_name_cache_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_name_cache_LDADD = libstore.la libbase.la $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_store_erase
TESTS += tests/unit/test_store_erase
tests_unit_test_store_erase_SOURCES = tests/unit/test_store_erase.c tests/unit/store_fixture.h
tests_unit_test_store_erase_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_store_erase_LDADD = libstore.la libbase.la $(CMOCKA_LIBS)
