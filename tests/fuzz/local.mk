# Fuzz targets. Each is LLVMFuzzerTestOneInput in tests/fuzz/fuzz_NAME.c with a small seed corpus in
# tests/fuzz/corpus/NAME/. An ordinary build links them with replay.c, and `make check` runs each on
# its corpus, so what a fuzzer once found stays found. To search for more:
#
#   tools/fuzz SECONDS [NAME...]
#
# which builds with clang and the sanitizers and keeps what breaks a target as
# build-fuzz/crash-NAME-...; minimize that (-minimize_crash=1) and add it to the corpus.
# A new target: add it to fuzz_targets here, with _SOURCES ending in $(FUZZ_MAIN), and _LDFLAGS as
# below.
fuzz_targets = \
	tests/fuzz/fuzz_json \
	tests/fuzz/fuzz_protobuf \
	tests/fuzz/fuzz_config \
	tests/fuzz/fuzz_token \
	tests/fuzz/fuzz_key \
	tests/fuzz/fuzz_http \
	tests/fuzz/fuzz_websocket \
	tests/fuzz/fuzz_proxy \
	tests/fuzz/fuzz_block \
	tests/fuzz/fuzz_import

if FUZZ
FUZZ_MAIN = tests/fuzz/fuzz.h
else
FUZZ_MAIN = tests/fuzz/fuzz.h tests/fuzz/replay.c
TESTS += $(fuzz_targets)
endif
check_PROGRAMS += $(fuzz_targets)
EXTRA_DIST += tests/fuzz/corpus tools/fuzz

# Names of all targets, for tools/fuzz.
fuzz-targets: $(fuzz_targets)
	@echo $(fuzz_targets)
.PHONY: fuzz-targets

tests_fuzz_fuzz_json_SOURCES = tests/fuzz/fuzz_json.c $(FUZZ_MAIN)
tests_fuzz_fuzz_json_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_json_LDADD = libproto.la libbase.la

tests_fuzz_fuzz_protobuf_SOURCES = tests/fuzz/fuzz_protobuf.c $(FUZZ_MAIN)
tests_fuzz_fuzz_protobuf_CFLAGS = $(AM_CFLAGS) $(PROTOBUF_C_CFLAGS)
tests_fuzz_fuzz_protobuf_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_protobuf_LDADD = libproto.la libbase.la $(PROTOBUF_C_LIBS)
fuzzes_messages = tests/fuzz/fuzz_protobuf-fuzz_protobuf.$(OBJEXT)
$(fuzzes_messages): src/proto/nearby.pb-c.h

tests_fuzz_fuzz_config_SOURCES = tests/fuzz/fuzz_config.c $(FUZZ_MAIN)
tests_fuzz_fuzz_config_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_config_LDADD = libconfig.la libbase.la

tests_fuzz_fuzz_token_SOURCES = tests/fuzz/fuzz_token.c $(FUZZ_MAIN)
tests_fuzz_fuzz_token_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_token_LDADD = libtoken.la libproto.la libbase.la

tests_fuzz_fuzz_key_SOURCES = tests/fuzz/fuzz_key.c $(FUZZ_MAIN)
tests_fuzz_fuzz_key_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_key_LDADD = libtoken.la libproto.la libbase.la

tests_fuzz_fuzz_http_SOURCES = tests/fuzz/fuzz_http.c $(FUZZ_MAIN)
tests_fuzz_fuzz_http_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_http_LDADD = libnet.la libbase.la

tests_fuzz_fuzz_websocket_SOURCES = tests/fuzz/fuzz_websocket.c $(FUZZ_MAIN)
tests_fuzz_fuzz_websocket_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_websocket_LDADD = libnet.la libbase.la

tests_fuzz_fuzz_proxy_SOURCES = tests/fuzz/fuzz_proxy.c $(FUZZ_MAIN)
tests_fuzz_fuzz_proxy_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_proxy_LDADD = libnet.la libbase.la

tests_fuzz_fuzz_block_SOURCES = tests/fuzz/fuzz_block.c $(FUZZ_MAIN)
tests_fuzz_fuzz_block_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_block_LDADD = libstore.la libbase.la

tests_fuzz_fuzz_import_SOURCES = tests/fuzz/fuzz_import.c $(FUZZ_MAIN)
tests_fuzz_fuzz_import_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_import_LDADD = libapp.la libproto.la libbase.la
