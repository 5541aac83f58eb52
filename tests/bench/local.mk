# Benchmarks. Each measures in CPU time against something else in the same run and judges its own
# results; `make check` runs it with a small population. `make bench` runs all, one at a time, and
# leaves tables, plots and a report in BENCH_OUT; BENCH_RUN may say more (tests/bench/run has the
# options). What they are measured beside is there after `tools/install-packages bench` and
# tests/bench/peers/install.
#
#   make bench BENCH_OUT=/tmp/results BENCH_RUN='--quick --only=engine,table'
bench_programs = tests/bench/bench_engine tests/bench/bench_history tests/bench/bench_table
BENCH_OUT = bench-results
BENCH_RUN =

bench: all $(filter tests/bench/%, $(check_PROGRAMS))
	TEST_BUILD='$(abs_top_builddir)' $(top_srcdir)/tests/bench/run --out='$(BENCH_OUT)' $(BENCH_RUN)
.PHONY: bench

# Counts the instructions of the engine's hot path anew, into the file that `make check` holds it to.
instructions: tests/bench/bench_engine
	TEST_SOURCE='$(abs_top_srcdir)' TEST_BUILD='$(abs_top_builddir)' \
		$(PY_LOG_COMPILER) -B $(srcdir)/tests/bench/instructions.py --write
.PHONY: instructions

check_PROGRAMS += $(bench_programs) tests/bench/fill_segment tests/bench/fill_users
TESTS += tests/bench/check-run tests/bench/check-bench tests/bench/test_report.py tests/bench/instructions.py
EXTRA_DIST += tests/bench/results tests/bench/check-bench tests/bench/check-run tests/bench/test_report.py tests/bench/run \
	tests/bench/instructions.py tests/bench/instructions.tsv \
	tests/bench/arguments.py tests/bench/bounds.md tests/bench/chart.py tests/bench/contender.py tests/bench/goals.py \
	tests/bench/growth.py tests/bench/load.py tests/bench/plots.py tests/bench/publish.py \
	tests/bench/raw.py tests/bench/results.py tests/bench/seclusion.py tests/bench/server.py tests/bench/sessions.py \
	tests/bench/shares.py tests/bench/PROFILE.md \
	tests/bench/start.py tests/bench/summary.py tests/bench/tls.py

bench_sources = \
	tests/bench/meter.c tests/bench/meter.h \
	tests/bench/options.c tests/bench/options.h \
	tests/bench/report.c tests/bench/report.h

tests_bench_bench_engine_SOURCES = tests/bench/bench_engine.c $(bench_sources) \
	tests/bench/crowd.c tests/bench/crowd.h \
	tests/bench/host.c tests/bench/host.h \
	tests/bench/judge.c tests/bench/judge.h
tests_bench_bench_engine_LDADD = libengine.la libproto.la libnearbyshm.la libbase.la -lm

tests_bench_bench_table_SOURCES = tests/bench/bench_table.c $(bench_sources) \
	tests/bench/redis.c tests/bench/redis.h
tests_bench_bench_table_LDADD = libnearbyshm.la libbase.la

tests_bench_bench_history_SOURCES = tests/bench/bench_history.c $(bench_sources) \
	tests/bench/keeper.c tests/bench/keeper.h \
	tests/bench/rows.h tests/bench/rows_lmdb.c tests/bench/rows_sqlite.c \
	tests/bench/trail.c tests/bench/trail.h \
	tools/bench/dataset.c tools/bench/dataset.h
tests_bench_bench_history_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tools
tests_bench_bench_history_LDADD = libstore.la libbase.la $(SQLITE_LIBS) -lm

tests_bench_fill_segment_SOURCES = tests/bench/fill_segment.c \
	tests/bench/options.c tests/bench/options.h
tests_bench_fill_segment_LDADD = libnearbyshm.la libbase.la

tests_bench_fill_users_SOURCES = tests/bench/fill_users.c \
	tests/bench/crowd.c tests/bench/crowd.h \
	tests/bench/options.c tests/bench/options.h
tests_bench_fill_users_LDADD = libstore.la libbase.la -lm

# Many idle sessions, for sessions.py.
check_PROGRAMS += tests/bench/herd
tests_bench_herd_SOURCES = tests/bench/herd.c tests/bench/herd_worker.c tests/bench/herd.h \
	tests/bench/options.c tests/bench/options.h
tests_bench_herd_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tools
tests_bench_herd_LDADD = libbench.la
