# Benchmarks. Each is a program that measures in CPU time against something else in the same run and
# judges its own results; `make check` runs it with a small population. `make bench` runs all, with
# their defaults or with what BENCH_ENGINE and BENCH_TABLE say, and leaves texts and tables in
# BENCH_OUT. Redis is there after `tools/install-packages bench`.
#
#   make bench BENCH_OUT=/tmp/results BENCH_ENGINE='--sessions=200000'
bench_programs = tests/bench/bench_engine tests/bench/bench_table
BENCH_OUT = bench-results
BENCH_ENGINE =
BENCH_TABLE =

bench: $(bench_programs)
	tests/bench/bench_engine --out='$(BENCH_OUT)' $(BENCH_ENGINE)
	tests/bench/bench_table --out='$(BENCH_OUT)' $(BENCH_TABLE)
.PHONY: bench

check_PROGRAMS += $(bench_programs) tests/bench/fill_users
TESTS += tests/bench/check-bench
EXTRA_DIST += tests/bench/check-bench tests/bench/results.py

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

tests_bench_fill_users_SOURCES = tests/bench/fill_users.c \
	tests/bench/crowd.c tests/bench/crowd.h \
	tests/bench/options.c tests/bench/options.h
tests_bench_fill_users_LDADD = libstore.la libbase.la -lm
