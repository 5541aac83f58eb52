bin_PROGRAMS += nearbyctl
nearbyctl_SOURCES = \
	tools/ctl/api.c tools/ctl/api.h \
	tools/ctl/commands.tbl \
	tools/ctl/control.c \
	tools/ctl/ctl.h \
	tools/ctl/exits.tbl \
	tools/ctl/friends.c \
	tools/ctl/history.c \
	tools/ctl/http.c tools/ctl/http.h \
	tools/ctl/import.c \
	tools/ctl/locate.c \
	tools/ctl/main.c \
	tools/ctl/options.tbl \
	tools/ctl/segment.c tools/ctl/segment.h \
	tools/ctl/status.c \
	tools/ctl/text.c tools/ctl/text.h \
	tools/ctl/token.c \
	tools/ctl/usage.c tools/ctl/usage.h \
	tools/ctl/user.c \
	tools/ctl/vitals.c tools/ctl/vitals.h
nearbyctl_CFLAGS = $(AM_CFLAGS) $(CURL_CFLAGS)
nearbyctl_LDADD = libtoken.la libconfig.la libpaths.la libproto.la libnearbyshm.la libbase.la \
	$(CURL_LIBS) -lm

check_PROGRAMS += tests/unit/test_vitals
TESTS += tests/unit/test_vitals
tests_unit_test_vitals_SOURCES = tests/unit/test_vitals.c tools/ctl/vitals.c
tests_unit_test_vitals_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tools/ctl
tests_unit_test_vitals_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_vitals_LDADD = libnearbyshm.la libbase.la $(CMOCKA_LIBS)
