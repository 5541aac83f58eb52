noinst_LTLIBRARIES += libnet.la
libnet_la_SOURCES = \
	src/net/buffer.c src/net/buffer.h \
	src/net/close_reasons.tbl \
	src/net/connection.c src/net/connection.h \
	src/net/handover.c \
	src/net/http.c src/net/http.h \
	src/net/http_session.c \
	src/net/listener.c \
	src/net/mesh.c src/net/mesh.h \
	src/net/net.c src/net/net.h \
	src/net/net_counters.tbl \
	src/net/rings.c \
	src/net/state.h \
	src/net/timer.c src/net/timer.h \
	src/net/upgrade.c src/net/upgrade.h \
	src/net/uring.c src/net/uring.h \
	src/net/websocket.c src/net/websocket.h \
	src/net/websocket_session.c
libnet_la_CFLAGS = $(AM_CFLAGS) $(URING_CFLAGS) $(CRYPTO_CFLAGS)
libnet_la_LIBADD = libbase.la $(URING_LIBS) $(WSLAY_LIBS) $(HTTP_PARSER_LIBS) $(CRYPTO_LIBS)

check_PROGRAMS += tests/echo-server
tests_echo_server_SOURCES = tests/echo-server.c
tests_echo_server_CFLAGS = $(AM_CFLAGS) -pthread
tests_echo_server_LDADD = libnet.la libbase.la -lpthread
