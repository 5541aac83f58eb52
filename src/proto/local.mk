noinst_LTLIBRARIES += libproto.la
libproto_la_SOURCES = \
	src/proto/codec.h \
	src/proto/error_codes.tbl \
	src/proto/json.h \
	src/proto/json_decode.c \
	src/proto/json_encode.c \
	src/proto/json_location.c src/proto/json_location.h \
	src/proto/json_read.c \
	src/proto/message.c src/proto/message.h
libproto_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
libproto_la_LIBADD = $(JANSSON_LIBS) -lm

check_PROGRAMS += tests/unit/test_proto
TESTS += tests/unit/test_proto
tests_unit_test_proto_SOURCES = tests/unit/test_proto.c
tests_unit_test_proto_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
# The test counts what is taken from the system.
tests_unit_test_proto_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc
tests_unit_test_proto_LDADD = libproto.la libbase.la $(CMOCKA_LIBS)
