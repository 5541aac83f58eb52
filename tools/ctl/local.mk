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
	tools/ctl/revoke.c \
	tools/ctl/segment.c tools/ctl/segment.h \
	tools/ctl/sharing.c \
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

# What the manual page and the completion take from the tables.
noinst_PROGRAMS += tools/gen-ctl
tools_gen_ctl_SOURCES = tools/ctl/gen.c tools/ctl/commands.tbl tools/ctl/exits.tbl tools/ctl/options.tbl

bashcompletion_DATA = tools/nearbyctl
EXTRA_DIST += tools/ctl/nearbyctl.bash.in
CLEANFILES += tools/nearbyctl
# Installed as `nearbyctl`: the name is how bash finds it.
tools/nearbyctl: $(srcdir)/tools/ctl/nearbyctl.bash.in $(expand)
	$(AM_V_GEN)$(AWK) -f $(srcdir)/man/expand.awk $(srcdir)/tools/ctl/nearbyctl.bash.in >$@.tmp && mv $@.tmp $@

TESTS += tests/unit/test_completion.py
EXTRA_DIST += tests/unit/test_completion.py
