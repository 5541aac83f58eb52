EXTRA_DIST += tools/packages.list tools/install-packages tools/quickstart tools/test .ci/run \
	tools/nearbyd.service.in

systemdunitdir = $(prefix)/lib/systemd/system
systemdunit_DATA = tools/nearbyd.service
CLEANFILES += tools/nearbyd.service
tools/nearbyd.service: $(srcdir)/tools/nearbyd.service.in Makefile
	$(AM_V_GEN)$(SED) -e 's|@sbindir[@]|$(sbindir)|' -e 's|@sysconfdir[@]|$(sysconfdir)|' \
		$(srcdir)/tools/nearbyd.service.in >$@.tmp && mv $@.tmp $@

# The tests of what threads share, and of the whole daemon; tools/test runs them under
# ThreadSanitizer. The simulation and the engine are left out: they have one thread by design.
thread_tests = $(filter tests/unit/test_base% tests/unit/test_shm% tests/unit/test_segment% \
	tests/unit/test_store% tests/unit/test_mesh% tests/unit/test_token% \
	tests/e2e/test_sessions.py tests/e2e/test_http.py, $(TESTS))
check-threads: $(thread_tests) nearbyd$(EXEEXT)
	$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS="$(thread_tests)"
.PHONY: check-threads

# The rules that hold the architecture, and the proof that each of them can fail.
TESTS += tests/arch/test_architecture.py tests/arch/test_rules_can_fail.py
EXTRA_DIST += tests/arch/rules.py tests/arch/test_architecture.py tests/arch/test_rules_can_fail.py

# Prints the parts of the manual pages that the tables of the code hold; man/ includes them.
noinst_PROGRAMS += tools/gen-man
tools_gen_man_SOURCES = tools/gen-man.c
