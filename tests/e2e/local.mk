# End-to-end tests: real processes, real sockets, clients that are not ours. They wait for answers and
# counters only, and end with 77 (skipped) when a Python module that they need is missing. Those that
# take longest come first.
e2e_tests = \
	tests/e2e/test_bench_load.py \
	tests/e2e/test_bench.py \
	tests/e2e/test_client_js.py \
	tests/e2e/test_strangers.py \
	tests/e2e/test_echo_tls.py \
	tests/e2e/test_echo.py \
	tests/e2e/test_demo.py \
	tests/e2e/test_sessions.py \
	tests/e2e/test_man_examples.py \
	tests/e2e/test_consent.py \
	tests/e2e/test_operations.py \
	tests/e2e/test_hostile.py \
	tests/e2e/test_bad_luck.py \
	tests/e2e/test_conformance.py \
	tests/e2e/test_nearbyctl.py \
	tests/e2e/test_sharing.py \
	tests/e2e/test_tls.py \
	tests/e2e/test_fill_users.py \
	tests/e2e/test_crash.py \
	tests/e2e/test_documents.py \
	tests/e2e/test_http.py \
	tests/e2e/test_limits.py \
	tests/e2e/test_protobuf.py \
	tests/e2e/test_proxy.py \
	tests/e2e/test_revocation.py \
	tests/e2e/test_tokens.py
TESTS += $(e2e_tests)
EXTRA_DIST += $(e2e_tests) tests/e2e/browser.py tests/e2e/certificates.py tests/e2e/daemon.py tests/e2e/echo.py tests/e2e/client_js.mjs \
	tests/e2e/test_install.py tests/e2e/test_quickstart.py

# Both databases of a data directory are sound.
check_PROGRAMS += tests/e2e/store_check
tests_e2e_store_check_SOURCES = tests/e2e/store_check.c
tests_e2e_store_check_LDADD = libstore.la libbase.la

# Holds the write lock of users.mdb, as a stuck disk would.
check_PROGRAMS += tests/e2e/hold_users
tests_e2e_hold_users_SOURCES = tests/e2e/hold_users.c
tests_e2e_hold_users_LDADD = $(LMDB_LIBS)

# The screenshots of test_demo.py.
CLEANFILES += tests/e2e/pictures/*.png
distclean-local:
	-rmdir tests/e2e/pictures 2>/dev/null
