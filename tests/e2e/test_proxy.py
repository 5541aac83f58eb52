#!/usr/bin/python3
"""The PROXY protocol, version 2: who is listed must speak it, and then says who the client is."""
import contextlib
import os
import signal
import socket
import tempfile
import time
import unittest

from certificates import Authority
from daemon import Daemon, LIMIT_S
from test_echo import TEXT, Peer, Server, frame

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
ASK = b"GET /peer HTTP/1.1\r\nHost: a\r\n\r\n"


def header(source="203.0.113.9", command=0x21, values=b""):
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    target = "::1" if ":" in source else "127.0.0.1"
    addresses = socket.inet_pton(family, source) + socket.inet_pton(family, target) + b"\x30\x39\x01\xbb"
    kind = b"\x21" if ":" in source else b"\x11"
    body = addresses + values
    return SIGNATURE + bytes([command]) + kind + len(body).to_bytes(2, "big") + body


class Proxies(unittest.TestCase):
    def test_the_client_is_who_a_listed_proxy_says(self):
        with Server(cores=2, proxy_from="127.0.0.0/30") as server:
            for source in ("203.0.113.9", "2001:db8::7"):
                with Peer(server.port) as peer:
                    self.assertEqual(peer.ask(header(source) + ASK).body, source.encode())
                    # It stays so for what follows, on the core that it is handed over to as well.
                    self.assertEqual(peer.ask(ASK).body, source.encode())
                    peer.upgrade("/peer").send(frame(TEXT, b"who am I?"))
                    self.assertEqual(peer.take_frame(), (TEXT, source.encode()))
            values = b"\x04\x03\x00" + b"\0" * 0x300
            with Peer(server.port) as peer:
                self.assertEqual(peer.ask(header(values=values) + ASK).body, b"203.0.113.9")

    def test_a_proxy_may_speak_for_itself(self):
        with Server(proxy_from="127.0.0.1") as server:
            for own in (SIGNATURE + b"\x20\0\0\0", header(command=0x20), SIGNATURE + b"\x21\0\0\0"):
                with Peer(server.port) as peer:
                    self.assertEqual(peer.ask(own + ASK).body, b"127.0.0.1")

    def test_a_header_may_come_in_any_portions(self):
        with Server(proxy_from="127.0.0.1") as server, Peer(server.port) as peer:
            peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in header() + ASK:
                peer.send(bytes([byte]))
            self.assertEqual(peer.answer().body, b"203.0.113.9")

    def test_a_listed_proxy_that_says_nothing_of_the_kind_is_hung_up_on(self):
        wrong = (ASK, b"PROXY TCP4 203.0.113.9 127.0.0.1 1 2\r\n" + ASK, SIGNATURE + b"\x31\x11\0\x0c",
                 SIGNATURE + b"\x21\x11\0\x0b", SIGNATURE + b"\x21\x11\xff\xff", header()[:-20] + ASK * 500)
        with Server(proxy_from="127.0.0.1") as server:
            for said in wrong:
                with Peer(server.port) as peer, contextlib.suppress(ConnectionError):
                    peer.send(said)
                    self.assertNotIn(b"200", peer.rest())
            with Peer(server.port, source="127.0.0.2") as peer:
                self.assertEqual(peer.ask(ASK).body, b"127.0.0.2")

    def test_from_anybody_else_it_is_bad_http(self):
        with Server(proxy_from="127.0.0.1") as server:
            with Peer(server.port, source="127.0.0.2") as peer:
                self.assertEqual(peer.ask(header() + ASK).status, 400)

    def test_who_begins_and_stops_is_not_waited_for(self):
        with Server(proxy_from="127.0.0.1", handshake_timeout_ms=200) as server:
            with Peer(server.port) as peer:
                peer.send(header()[:20])
                self.assertEqual(peer.rest(), b"")

    def test_it_goes_before_tls(self):
        with tempfile.TemporaryDirectory(prefix="nearby-proxy-") as folder:
            authority = Authority(folder)
            certificate, key = authority.issue("server")
            with Server(proxy_from="127.0.0.1", cores=2, tls_certificate=certificate, tls_key=key) as server:
                for _ in range(4):
                    with Peer(server.port) as peer:
                        peer.send(header())
                        peer.socket = authority.client().wrap_socket(peer.socket, server_hostname="127.0.0.1")
                        self.assertEqual(peer.ask(ASK).body, b"203.0.113.9")
                        peer.upgrade("/peer").send(frame(TEXT, b"who am I?"))
                        self.assertEqual(peer.take_frame(), (TEXT, b"203.0.113.9"))


class Reload(unittest.TestCase):
    def test_the_list_is_read_again(self):
        with tempfile.TemporaryDirectory(prefix="nearby-proxy-") as folder:
            file = os.path.join(folder, "nearbyd.conf")

            def write(text):
                with open(file, "w", encoding="ascii") as config:
                    config.write(text)
            write("")
            with Daemon(config=file) as daemon:
                def status(said):
                    with Peer(daemon.port) as peer, contextlib.suppress(ConnectionError, AssertionError):
                        return peer.ask(said + b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").status
                    return None
                self.assertEqual((status(b""), status(header())), (200, 400))
                write("proxy-from = 10.0.0.0/8, 127.0.0.1\n")
                daemon.process.send_signal(signal.SIGHUP)
                end = time.monotonic() + LIMIT_S
                while status(header()) != 200:
                    self.assertLess(time.monotonic(), end)
                before = daemon.counter("proxy_headers_refused_total")
                self.assertEqual(status(b""), None)
                self.assertGreater(daemon.counter("proxy_headers_refused_total"), before)


class Limits(unittest.TestCase):
    def test_each_client_behind_a_proxy_opens_so_many_connections_and_no_more(self):
        with Daemon(connections_per_s=1, proxy_from="127.0.0.1") as daemon:
            def status(source):
                with Peer(daemon.port) as peer:
                    return peer.ask(header(source) + b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").status
            self.assertEqual({status(f"203.0.113.{number}") for number in range(100)}, {200})
            # Ten at once; the bound of tries is for a machine that opens one a second.
            tries = 0
            while status("203.0.113.200") == 200:
                tries += 1
                self.assertLess(tries, 1000)
            self.assertGreater(tries, 8)
            self.assertEqual(status("203.0.113.201"), 200)


if __name__ == "__main__":
    unittest.main()
