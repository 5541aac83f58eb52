noinst_LTLIBRARIES += libnet.la
libnet_la_SOURCES = \
	src/net/buffer.c src/net/buffer.h \
	src/net/chunks.c src/net/chunks.h \
	src/net/close_reasons.tbl \
	src/net/connection.c src/net/connection.h \
	src/net/handover.c \
	src/net/http.c src/net/http.h \
	src/net/http_session.c \
	src/net/listener.c \
	src/net/mesh.c src/net/mesh.h \
	src/net/net.c src/net/net.h \
	src/net/net_counters.tbl \
	src/net/quota.c src/net/quota.h \
	src/net/proxy_header.c src/net/proxy_header.h \
	src/net/proxy_session.c \
	src/net/rings.c \
	src/net/state.h \
	src/net/tickets.c src/net/tickets.h \
	src/net/timer.c src/net/timer.h \
	src/net/tls.c src/net/tls.h \
	src/net/tls_private.h \
	src/net/tls_server.c \
	src/net/tls_session.c \
	src/net/upgrade.c src/net/upgrade.h \
	src/net/uring.c src/net/uring.h \
	src/net/websocket.c src/net/websocket.h \
	src/net/websocket_session.c
libnet_la_CFLAGS = $(AM_CFLAGS) $(URING_CFLAGS) $(CRYPTO_CFLAGS) $(SSL_CFLAGS)
libnet_la_LIBADD = libbase.la $(URING_LIBS) $(WSLAY_LIBS) $(HTTP_PARSER_LIBS) $(SSL_LIBS) $(CRYPTO_LIBS)

check_PROGRAMS += tests/echo-server
tests_echo_server_SOURCES = tests/echo-server.c
tests_echo_server_CFLAGS = $(AM_CFLAGS) -pthread
tests_echo_server_LDADD = libnet.la libbase.la -lpthread

net_unit_tests = \
	tests/unit/test_http \
	tests/unit/test_mesh \
	tests/unit/test_proxy_header \
	tests/unit/test_quota \
	tests/unit/test_timer \
	tests/unit/test_tls \
	tests/unit/test_websocket
check_PROGRAMS += $(net_unit_tests)
TESTS += $(net_unit_tests)
tests_unit_test_http_SOURCES = tests/unit/test_http.c
tests_unit_test_http_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_http_LDADD = libnet.la libbase.la $(CMOCKA_LIBS)
tests_unit_test_mesh_SOURCES = tests/unit/test_mesh.c
tests_unit_test_mesh_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -pthread
tests_unit_test_mesh_LDADD = libnet.la libbase.la $(CMOCKA_LIBS)
tests_unit_test_quota_SOURCES = tests/unit/test_quota.c
tests_unit_test_quota_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_quota_LDADD = libnet.la libbase.la $(CMOCKA_LIBS)
tests_unit_test_proxy_header_SOURCES = tests/unit/test_proxy_header.c
tests_unit_test_proxy_header_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_proxy_header_LDADD = libnet.la libbase.la $(CMOCKA_LIBS)
tests_unit_test_timer_SOURCES = tests/unit/test_timer.c
tests_unit_test_timer_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_timer_LDADD = libnet.la libbase.la $(CMOCKA_LIBS)
tests_unit_test_tls_SOURCES = tests/unit/test_tls.c
tests_unit_test_tls_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(SSL_CFLAGS)
tests_unit_test_tls_LDADD = libnet.la libbase.la $(CMOCKA_LIBS) $(SSL_LIBS) $(CRYPTO_LIBS)
tests_unit_test_websocket_SOURCES = tests/unit/test_websocket.c
tests_unit_test_websocket_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_websocket_LDADD = libnet.la libbase.la $(CMOCKA_LIBS)
