# nearby-bench: its library, so that tests can link the oracle and the readers.
noinst_LTLIBRARIES += libbench.la
libbench_la_SOURCES = \
	tools/bench/address.c tools/bench/address.h \
	tools/bench/admin.c tools/bench/admin.h \
	tools/bench/answer.c tools/bench/answer.h \
	tools/bench/batch.c tools/bench/batch.h \
	tools/bench/cast.c tools/bench/cast.h \
	tools/bench/control.c tools/bench/control.h \
	tools/bench/crew.c tools/bench/crew.h \
	tools/bench/dataset.c tools/bench/dataset.h \
	tools/bench/dialect.c tools/bench/dialect.h \
	tools/bench/dialect_centrifuge.c \
	tools/bench/dialect_nats.c \
	tools/bench/dialect_nearby.c \
	tools/bench/entries.c tools/bench/entries.h \
	tools/bench/exits.tbl \
	tools/bench/fleet.c tools/bench/fleet.h \
	tools/bench/frame.c tools/bench/frame.h \
	tools/bench/friends_file.c tools/bench/friends_file.h \
	tools/bench/latency.c tools/bench/latency.h \
	tools/bench/ledger.c tools/bench/ledger.h \
	tools/bench/load.c tools/bench/load.h \
	tools/bench/load_command.c tools/bench/load_command.h \
	tools/bench/load_report.c tools/bench/load_report.h \
	tools/bench/loader.c tools/bench/loader.h \
	tools/bench/names.c tools/bench/names.h \
	tools/bench/options.c tools/bench/options.h tools/bench/options.tbl \
	tools/bench/oracle.c tools/bench/oracle.h tools/bench/verdicts.tbl \
	tools/bench/payload.c tools/bench/payload.h \
	tools/bench/plan.h \
	tools/bench/replay.c tools/bench/replay.h \
	tools/bench/report.c tools/bench/report.h \
	tools/bench/run.c tools/bench/run.h \
	tools/bench/scan.c tools/bench/scan.h \
	tools/bench/screen.c tools/bench/screen.h \
	tools/bench/setup.c tools/bench/setup.h \
	tools/bench/timetable.c tools/bench/timetable.h \
	tools/bench/town.c tools/bench/town.h \
	tools/bench/town_plan.c tools/bench/town_plan.h \
	tools/bench/troop.c tools/bench/troop.h \
	tools/bench/usage.c tools/bench/usage.h \
	tools/bench/walk.c tools/bench/walk.h \
	tools/bench/worker.c tools/bench/worker.h \
	tools/bench/world.c tools/bench/world.h \
	tests/bench/crowd.c tests/bench/crowd.h
libbench_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tools -I$(top_srcdir)/tests
libbench_la_LIBADD = libtoken.la libproto.la libbase.la -lm

bin_PROGRAMS += nearby-bench
nearby_bench_SOURCES = tools/bench/main.c
nearby_bench_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tools -I$(top_srcdir)/tests
nearby_bench_LDADD = libbench.la

# What the manual page takes from the tables.
noinst_PROGRAMS += tools/gen-bench
tools_gen_bench_SOURCES = tools/bench/gen.c

check_PROGRAMS += tests/unit/test_bench
TESTS += tests/unit/test_bench
tests_unit_test_bench_SOURCES = tests/unit/test_bench.c
tests_unit_test_bench_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tools -I$(top_srcdir)/tests
tests_unit_test_bench_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_bench_LDADD = libbench.la $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_bench_crew
TESTS += tests/unit/test_bench_crew
tests_unit_test_bench_crew_SOURCES = tests/unit/test_bench_crew.c
tests_unit_test_bench_crew_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tools -I$(top_srcdir)/tests
tests_unit_test_bench_crew_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_bench_crew_LDADD = libbench.la $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_bench_load
TESTS += tests/unit/test_bench_load
tests_unit_test_bench_load_SOURCES = tests/unit/test_bench_load.c
tests_unit_test_bench_load_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tools -I$(top_srcdir)/tests
tests_unit_test_bench_load_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_bench_load_LDADD = libbench.la $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_bench_fleet
TESTS += tests/unit/test_bench_fleet
tests_unit_test_bench_fleet_SOURCES = tests/unit/test_bench_fleet.c
tests_unit_test_bench_fleet_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tools -I$(top_srcdir)/tests
tests_unit_test_bench_fleet_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_bench_fleet_LDADD = libbench.la $(CMOCKA_LIBS)
