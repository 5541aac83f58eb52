noinst_LTLIBRARIES += libproto.la
libproto_la_SOURCES = \
	src/proto/codec.c src/proto/codec.h \
	src/proto/decoder.h \
	src/proto/error_codes.tbl \
	src/proto/json.h \
	src/proto/json_decode.c \
	src/proto/json_encode.c \
	src/proto/json_location.c src/proto/json_location.h \
	src/proto/json_read.c \
	src/proto/measure.c src/proto/measure.h \
	src/proto/message.c src/proto/message.h \
	src/proto/protobuf_decode.c \
	src/proto/protobuf_encode.c \
	src/proto/refusal.c src/proto/refusal.h \
	src/proto/utf8.c src/proto/utf8.h
nodist_libproto_la_SOURCES = src/proto/nearby.pb-c.c
libproto_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(PROTOBUF_C_CFLAGS)
libproto_la_LIBADD = $(JANSSON_LIBS) $(PROTOBUF_C_LIBS) -lm

# What the compiler of protobuf-c makes of the messages.
dist_pkgdata_DATA += src/proto/nearby.proto
BUILT_SOURCES += src/proto/nearby.pb-c.h
CLEANFILES += src/proto/nearby.pb-c.c src/proto/nearby.pb-c.h
# Not by name, or Automake would take this for all of its rule.
includes_messages = src/proto/libproto_la-protobuf_decode.lo tests/unit/test_protobuf-test_protobuf.$(OBJEXT)
$(includes_messages): src/proto/nearby.pb-c.h
src/proto/nearby.pb-c.h: src/proto/nearby.pb-c.c
src/proto/nearby.pb-c.c: src/proto/nearby.proto
	$(AM_V_GEN)$(MKDIR_P) src/proto && \
		$(PROTOC_C) --proto_path=$(srcdir)/src/proto --c_out=src/proto $(srcdir)/src/proto/nearby.proto

check_PROGRAMS += tests/unit/test_proto
TESTS += tests/unit/test_proto
tests_unit_test_proto_SOURCES = tests/unit/test_proto.c
tests_unit_test_proto_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
# The test counts what is taken from the system.
tests_unit_test_proto_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc
tests_unit_test_proto_LDADD = libproto.la libbase.la $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_protobuf
TESTS += tests/unit/test_protobuf
tests_unit_test_protobuf_SOURCES = tests/unit/test_protobuf.c tests/unit/protobuf_v1.tbl
tests_unit_test_protobuf_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(PROTOBUF_C_CFLAGS)
tests_unit_test_protobuf_LDADD = libproto.la libbase.la $(CMOCKA_LIBS) $(PROTOBUF_C_LIBS)

# Today's nearby.proto against the first version.
TESTS += tests/proto/test_compatible.py
EXTRA_DIST += tests/proto/test_compatible.py tests/proto/baseline.pb
