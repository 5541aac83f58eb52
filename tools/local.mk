EXTRA_DIST += tools/packages.list tools/install-packages tools/quickstart tools/test .ci/run \
	tools/nearbyd.service.in

systemdunitdir = $(prefix)/lib/systemd/system
systemdunit_DATA = tools/nearbyd.service
CLEANFILES += tools/nearbyd.service
tools/nearbyd.service: $(srcdir)/tools/nearbyd.service.in Makefile
	$(AM_V_GEN)$(SED) -e 's|@sbindir[@]|$(sbindir)|' -e 's|@sysconfdir[@]|$(sysconfdir)|' \
		$(srcdir)/tools/nearbyd.service.in >$@.tmp && mv $@.tmp $@

# Parts of the tests, for configurations in which the others would prove nothing more; tools/test says
# which runs what. build-... builds all that the tests of a part run.
#
# What runs code of ours: neither texts, nor what counts instructions, nor what only looks at a browser.
memory_tests = $(filter-out tests/arch/% man/% tests/proto/% tests/bench/%.py tests/unit/%.py \
	tests/e2e/test_demo.py, $(TESTS))
build-memory: all $(check_PROGRAMS)
check-memory: build-memory
	$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS="$(memory_tests)"

# What threads share, and the whole daemon. The simulation, the engine and the other tests of shm/ are
# left out, and of the store those of one file: they have one thread by design, and a lone thread races
# with nobody. check-TESTS would build every test program there is; here it need not.
thread_tests = $(filter tests/unit/test_base% tests/unit/test_shm_threads% \
	tests/unit/test_store tests/unit/test_store_consent tests/unit/test_store_erase \
	tests/unit/test_store_failures tests/unit/test_store_sharing tests/unit/test_mesh% tests/unit/test_token% \
	tests/e2e/test_sessions.py tests/e2e/test_http.py, $(TESTS))
build-threads: $(filter-out %.py, $(thread_tests)) nearbyd$(EXEEXT)
check-threads: build-threads
	$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS="$(thread_tests)" check_PROGRAMS=

# make distcheck with a few tests: those that read files beside their own, and a session. Of the test
# programs, which lack no source where no file is missing, only those that these need are built.
dist_tests = $(filter tests/arch/% man/% tests/proto/% tests/unit/test_proto% tests/unit/test_completion.py \
	tests/fuzz/% tests/sim/check-stories tests/e2e/test_sessions.py tests/e2e/test_documents.py \
	tests/e2e/test_man_examples.py, $(TESTS))
dist_programs = $(filter $(dist_tests) tests/sim/sim$(EXEEXT), $(check_PROGRAMS))
check-dist:
	$(MAKE) $(AM_MAKEFLAGS) distcheck TESTS="$(dist_tests)" check_PROGRAMS="$(dist_programs)"
.PHONY: build-memory check-memory build-threads check-threads check-dist

# Nothing is left out of a distribution, whichever tests run in it.
distcheck-hook:
	$(PY_LOG_COMPILER) $(AM_PY_LOG_FLAGS) $(srcdir)/tests/arch/check_dist.py $(srcdir) $(distdir)

# The rules that hold the architecture, and the proof that each of them can fail.
TESTS += tests/arch/test_architecture.py tests/arch/test_rules_can_fail.py
EXTRA_DIST += tests/arch/check_dist.py tests/arch/rules.py tests/arch/test_architecture.py tests/arch/test_rules_can_fail.py

# Prints the parts of the manual pages that the tables of the code hold; man/ includes them.
noinst_PROGRAMS += tools/gen-man
tools_gen_man_SOURCES = tools/gen-man.c
