# Manual pages. Their lists come from the tables of the code: man/expand.awk puts them in place of
# the lines "@gen-man NAME@".
expand = $(srcdir)/man/expand.awk tools/gen-man$(EXEEXT) tools/gen-ctl$(EXEEXT) \
	tools/gen-bench$(EXEEXT)
expanded_pages = \
	man/nearby-bench.1 \
	man/nearbyd.8 \
	man/nearbyctl.8 \
	man/nearbyd.conf.5 \
	man/nearby-protocol.7 \
	man/nearby-metrics.7 \
	man/nearby-shm.5
nodist_man_MANS += $(expanded_pages)
CLEANFILES += $(expanded_pages)
EXTRA_DIST += $(expanded_pages:=.in) man/expand.awk man/lint

$(expanded_pages): %: $(srcdir)/%.in $(expand)
	$(AM_V_GEN)$(MKDIR_P) man && $(AWK) -f $(srcdir)/man/expand.awk $< >$@.tmp && mv $@.tmp $@

man/nearby-shm.5: $(srcdir)/man/examples/shm-read.c $(srcdir)/man/examples/shm-read.py

# Every page, also those that others made, is clean to mandoc.
TESTS += man/lint
AM_TESTS_ENVIRONMENT += MANUAL_PAGES='$(dist_man_MANS) $(nodist_man_MANS)'; export MANUAL_PAGES;
