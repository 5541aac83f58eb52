noinst_LTLIBRARIES += libconfig.la
libconfig_la_SOURCES = \
	src/app/config.c src/app/config.h \
	src/app/config.tbl \
	src/app/config_show.c \
	src/app/parameter.c src/app/parameter.h
libconfig_la_CFLAGS = $(AM_CFLAGS)

check_PROGRAMS += tests/unit/test_config
TESTS += tests/unit/test_config
tests_unit_test_config_SOURCES = tests/unit/test_config.c
tests_unit_test_config_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_config_LDADD = libconfig.la libbase.la $(CMOCKA_LIBS)

noinst_LTLIBRARIES += libtoken.la
libtoken_la_SOURCES = \
	src/app/key_file.c src/app/key_file.h \
	src/app/token.c src/app/token.h \
	src/app/token_algorithms.tbl \
	src/app/token_verdicts.tbl
libtoken_la_CFLAGS = $(AM_CFLAGS) $(CJOSE_CFLAGS) $(CRYPTO_CFLAGS)
libtoken_la_LIBADD = $(CJOSE_LIBS) $(CRYPTO_LIBS)

check_PROGRAMS += tests/unit/test_token
TESTS += tests/unit/test_token
tests_unit_test_token_SOURCES = tests/unit/test_token.c
tests_unit_test_token_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_token_LDADD = libtoken.la libproto.la libbase.la $(CMOCKA_LIBS)

noinst_LTLIBRARIES += libapp.la
libapp_la_SOURCES = \
	src/app/alerts.tbl \
	src/app/api.c \
	src/app/api_friends.c \
	src/app/api_sharing.c \
	src/app/api_store.c \
	src/app/api_user.c \
	src/app/app.c src/app/app.h src/app/app_private.h \
	src/app/app_counters.tbl \
	src/app/bars.c src/app/bars.h \
	src/app/change.c src/app/change.h \
	src/app/control.c \
	src/app/counters.c src/app/counters.h \
	src/app/exchange.c \
	src/app/files.c \
	src/app/hear.c \
	src/app/import.c \
	src/app/import_line.c src/app/import_line.h src/app/import_reasons.tbl \
	src/app/interval.c src/app/interval.h \
	src/app/join.c \
	src/app/lapses.c src/app/lapses.h \
	src/app/lines.c src/app/lines.h \
	src/app/metrics.c \
	src/app/news.c \
	src/app/profile.c src/app/profile.h \
	src/app/revoke.c \
	src/app/routes.tbl \
	src/app/session.c \
	src/app/shared.c \
	src/app/sharing.c src/app/sharing.h \
	src/app/stream.c \
	src/app/sync.c \
	src/app/text.c

nodist_libapp_la_SOURCES = src/app/files.inc

# The files that are part of the program.
own_files = \
	openapi=src/app/openapi.json asyncapi=src/app/asyncapi.json \
	page=tools/demo/index.html style=tools/demo/demo.css script=tools/demo/demo.js \
	map=tools/demo/map.js client=tools/client-js/nearby.js
dist_pkgdata_DATA += src/app/openapi.json src/app/asyncapi.json
EXTRA_DIST += tools/demo/index.html tools/demo/demo.css tools/demo/demo.js tools/demo/map.js
BUILT_SOURCES += src/app/files.inc
CLEANFILES += src/app/files.inc
src/app/files.lo: src/app/files.inc
src/app/files.inc: src/app/openapi.json src/app/asyncapi.json tools/demo/index.html \
		tools/demo/demo.css tools/demo/demo.js tools/demo/map.js tools/client-js/nearby.js
	$(AM_V_GEN)for file in $(own_files); do \
		echo "static const unsigned char file_$${file%%=*}[] = {"; \
		od -An -v -tx1 "$(srcdir)/$${file#*=}" | $(SED) 's/ \(..\)/0x\1,/g'; echo "};"; \
	done >$@.tmp && mv $@.tmp $@

check_PROGRAMS += tests/unit/test_bars
TESTS += tests/unit/test_bars
tests_unit_test_bars_SOURCES = tests/unit/test_bars.c
tests_unit_test_bars_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_bars_LDADD = libapp.la libbase.la $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_lapses
TESTS += tests/unit/test_lapses
tests_unit_test_lapses_SOURCES = tests/unit/test_lapses.c
tests_unit_test_lapses_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_lapses_LDADD = libapp.la libbase.la $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_app
TESTS += tests/unit/test_app
tests_unit_test_app_SOURCES = tests/unit/test_app.c
tests_unit_test_app_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_app_LDADD = libapp.la libconfig.la libtoken.la libnet.la libstore.la libengine.la \
	libproto.la libnearbyshm.la libbase.la $(CMOCKA_LIBS)
