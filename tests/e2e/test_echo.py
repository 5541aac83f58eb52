#!/usr/bin/python3
"""The network layer of nearbyd, end to end: its echo server under good, clumsy and hostile clients.

Every wait is for an answer, an end of stream or a counter, with a limit; nothing sleeps.
"""

import asyncio
import contextlib
import json
import os
import random
import resource
import signal
import socket
import stat
import struct
import sys
import tempfile
import threading
import time
import unittest

try:
    import websockets
except ImportError:
    print("python3-websockets is missing: skipped")
    sys.exit(77)

from echo import (BINARY, CLOSE, KEY, LIMIT_S, PING, PONG, TEXT, Peer, Server, Tls, close_frame, frame, header,
                  upgrade_request)


async def echoes(url, count=20, text="are you there?"):
    """A well-behaved client that must notice nothing of what others do."""
    async with websockets.connect(url, ssl=Tls.client, open_timeout=LIMIT_S) as client:
        for i in range(count):
            await client.send(f"{text} {i}")
            assert await asyncio.wait_for(client.recv(), LIMIT_S) == f"{text} {i}"


class WebSockets(unittest.IsolatedAsyncioTestCase):
    async def test_messages_of_every_size_and_kind_come_back(self):
        with Server(cores=2) as server:
            async with websockets.connect(server.url, ssl=Tls.client, max_size=None) as client:
                for size in (0, 1, 125, 126, 4081, 4096, 65535, 65536, 1 << 20, 4 << 20):
                    for message in ("ü" * (size // 2), os.urandom(size)):
                        await client.send(message)
                        self.assertEqual(await asyncio.wait_for(client.recv(), LIMIT_S), message)
                await client.send(["in ", "three ", "parts"])
                self.assertEqual(await client.recv(), "in three parts")
                await asyncio.wait_for(await client.ping(b"alive?"), LIMIT_S)
                await client.close(4000, "done")
                self.assertEqual((client.close_code, client.close_reason), (4000, "done"))
            server.wait_until("websockets", 0)
            counters = server.counters()
            self.assertEqual(counters["lent_contexts"], 0)
            self.assertEqual(counters["messages_received_total"], 21)
            self.assertEqual(counters["messages_sent_total"], 21)

    async def test_many_clients_on_many_cores_are_handed_over_and_served(self):
        with Server(cores=4) as server:
            await asyncio.gather(*(echoes(server.url) for _ in range(100)))
            counters = server.wait_for(closed_peer=100)
            self.assertEqual(counters["websocket_upgrades_total"], 100)
            self.assertGreater(counters["handovers_total"], 50)
            self.assertEqual(counters["handovers_failed_total"], 0)

    async def test_a_core_takes_further_rings_when_one_table_of_descriptors_is_full(self):
        with Server(cores=2, files_max=16) as server:
            clients = await asyncio.gather(
                *(websockets.connect(server.url, ssl=Tls.client, open_timeout=LIMIT_S) for _ in range(200)))
            for number, client in enumerate(clients):
                await client.send(f"I am {number}")
            for number, client in enumerate(clients):
                self.assertEqual(await asyncio.wait_for(client.recv(), LIMIT_S), f"I am {number}")
            counters = server.counters()
            self.assertEqual(counters["websockets"], 200)
            self.assertGreaterEqual(counters["rings_added_total"], 200 // 16 - 2)
            await asyncio.gather(*(client.close() for client in clients))
            server.wait_until("connections", 1)
            await echoes(server.url)

    def test_what_comes_right_behind_the_request_is_not_lost(self):
        with Server(cores=3) as server:
            for _ in range(9):
                with Peer(server.port) as peer:
                    peer.upgrade(behind=frame(TEXT, b"early") + frame(TEXT, b"bird")[:3])
                    self.assertEqual(peer.take_frame(), (TEXT, b"early"))
                    peer.send(frame(TEXT, b"bird")[3:])
                    self.assertEqual(peer.take_frame(), (TEXT, b"bird"))

    def test_an_answer_of_before_is_sent_before_a_connection_is_handed_over(self):
        with Server(cores=3) as server:
            for _ in range(9):
                with Peer(server.port) as peer:
                    body = b"x" * 100000
                    peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nPOST /echo HTTP/1.1\r\nHost: a\r\n"
                              b"Content-Length: 100000\r\n\r\n" + body + upgrade_request())
                    self.assertEqual(peer.answer().status, 200)
                    self.assertEqual(peer.answer().body, body)
                    self.assertEqual(peer.answer().status, 101)
                    peer.send(frame(TEXT, b"here?"))
                    self.assertEqual(peer.take_frame(), (TEXT, b"here?"))

    def test_a_connection_keeps_the_address_of_its_peer_on_every_core(self):
        with Server(cores=3) as server:
            for number in range(2, 11):
                source = f"127.0.0.{number}"
                with Peer(server.port, source=source) as peer:
                    answer = peer.ask(b"GET /peer HTTP/1.1\r\nHost: a\r\n\r\n")
                    self.assertEqual(answer.body, source.encode())
                    peer.upgrade("/peer").send(frame(TEXT, b"who am I?"))
                    self.assertEqual(peer.take_frame(), (TEXT, source.encode()))

    def test_bytes_that_come_one_by_one_hold_a_context_only_within_a_message(self):
        with Server() as server, Peer(server.port) as peer:
            peer.upgrade()
            message = frame(TEXT, b"drop by drop")
            peer.send(message[:1])
            server.wait_until("lent_contexts", 1)
            for byte in message[1:]:
                peer.send(bytes([byte]))
            self.assertEqual(peer.take_frame(), (TEXT, b"drop by drop"))
            server.wait_until("lent_contexts", 0)

    def test_what_breaks_the_protocol_is_closed_with_the_right_code(self):
        cases = {
            "unmasked": (header(129, 1, mask=b"") + b"a", 1002),
            "reserved bit": (header(129 | 64, 1), 1002),
            "unknown opcode": (header(131, 1), 1002),
            "a ping in fragments": (frame(PING, b"", fin=0), 1002),
            "a ping of 126 bytes": (header(128 | PING, 126), 1002),
            "a message within a message": (frame(TEXT, b"a", fin=0) + frame(TEXT, b"b"), 1002),
            "Close 1005": (close_frame(1005), 1002),
            "no UTF-8": (frame(TEXT, b"\xff"), 1007),
            "no UTF-8 in the reason": (close_frame(1000, b"\xff"), 1007),
            "too big": (header(129, 2000), 1009),
            "too big in fragments": (frame(TEXT, b"a" * 900, fin=0) + header(128, 200), 1009),
            "2^62 bytes": (header(129, 1 << 62), 1009),
            "2^63 bytes": (header(129, 1 << 63), 1002),
        }
        with Server(message_bytes_max=1000) as server:
            for name, (data, code) in cases.items():
                with self.subTest(name), Peer(server.port) as peer:
                    peer.upgrade().send(data)
                    self.assertEqual(peer.take_close(), code)
                    self.assertEqual(peer.rest(), b"")
            counters = server.wait_for(closed_protocol=8, closed_not_utf8=2, closed_too_big=3)
            self.assertEqual(counters["lent_contexts"], 0)

    def test_a_close_by_the_server_waits_for_the_answer(self):
        with Server(close_timeout_ms=30000) as server, Peer(server.port) as peer:
            peer.upgrade("/shut").send(frame(TEXT, b"please") + frame(TEXT, b"ignored"))
            self.assertEqual(peer.take_frame(), (CLOSE, struct.pack(">H", 4001) + b"as you wish"))
            self.assertEqual(server.counters()["closed_policy"], 0)
            peer.send(close_frame(4001))
            self.assertEqual(peer.rest(), b"")
            server.wait_for(closed_policy=1)

    def test_a_close_that_is_never_answered_ends_by_the_timeout(self):
        with Server(close_timeout_ms=200) as server, Peer(server.port) as peer:
            peer.upgrade("/shut").send(frame(TEXT, b"please"))
            self.assertEqual(peer.take_close(), 4001)
            self.assertEqual(peer.rest(), b"")
            server.wait_for(closed_policy=1)

    def test_silence_is_asked_whether_it_lives(self):
        with Server(ping_interval_ms=100, pong_timeout_ms=3000) as server:
            with Peer(server.port) as peer:
                peer.upgrade()
                for _ in range(3):
                    self.assertEqual(peer.take_frame(), (PING, b""))
                    peer.send(frame(PONG, b""))
                self.assertEqual(peer.take_frame(), (PING, b""))
                self.assertEqual(peer.rest(), b"")
            counters = server.wait_for(closed_pong_timeout=1)
            self.assertEqual(counters["pings_total"], 4)

    def test_answers_that_came_while_the_server_did_not_run_are_heard(self):
        timeouts = {"ping_interval_ms": 500, "pong_timeout_ms": 4000}
        with Server(**timeouts) as server, Server(**timeouts) as clock, contextlib.ExitStack() as stack:
            # More than the kernel shows at once.
            peers = [stack.enter_context(Peer(server.port)) for _ in range(60)]
            for peer in peers:
                peer.upgrade()
            for peer in peers:
                self.assertEqual(peer.take_frame(), (PING, b""))
            server.process.send_signal(signal.SIGSTOP)
            for peer in peers:
                peer.send(frame(PONG, b""))
            # Until another server has sent a ping and waited for its answer as long as this one would have.
            with Peer(clock.port) as mute:
                mute.upgrade()
                self.assertEqual(mute.take_frame(), (PING, b""))
                self.assertEqual(mute.rest(), b"")
            server.process.send_signal(signal.SIGCONT)
            for peer in peers:
                self.assertEqual(peer.take_frame(), (PING, b""))

    def test_a_message_that_does_not_end_is_not_waited_for(self):
        with Server(message_timeout_ms=500) as server, Peer(server.port) as peer:
            peer.upgrade().send(frame(TEXT, b"a", fin=0))
            self.assertEqual(peer.take_close(), 1008)
            server.wait_for(closed_message_timeout=1)

    def test_a_peer_that_breaks_off_leaves_nothing_behind(self):
        with Server() as server:
            for data in (b"", frame(TEXT, b"abc")[:1], frame(TEXT, b"abc")[:-1],
                         frame(TEXT, b"abc", fin=0)):
                with Peer(server.port) as peer:
                    peer.upgrade().send(data)
            server.wait_for(closed_reset=4)
            server.wait_until("connections", 1)
            self.assertEqual(server.counters()["lent_contexts"], 0)


class Http(unittest.TestCase):
    def test_requests_on_one_connection_are_answered_in_order(self):
        with Server() as server, Peer(server.port) as peer:
            peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2 + b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n"
                      + b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
                      + b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            self.assertEqual([peer.answer().status for _ in range(3)], [200, 200, 404])
            self.assertEqual(peer.answer().body, b"abc")
            head = peer.answer(to_head=True)
            last = peer.answer()
            self.assertEqual(head.headers["content-length"], last.headers["content-length"])
            self.assertEqual(last.headers["connection"], "close")
            self.assertEqual(peer.rest(), b"")

    def test_http_1_0_ends_with_its_answer_unless_it_asks_for_more(self):
        with Server() as server:
            with Peer(server.port) as peer:
                self.assertEqual(peer.ask(b"GET / HTTP/1.0\r\n\r\n").status, 200)
                self.assertEqual(peer.rest(), b"")
            with Peer(server.port) as peer:
                asked = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
                self.assertEqual(peer.ask(asked).headers["connection"], "keep-alive")
                self.assertEqual(peer.ask(asked).status, 200)
            with Peer(server.port) as peer:
                answer = peer.ask(b"GET /stream HTTP/1.0\r\n\r\n")
                self.assertEqual(answer.body, bytes(4 << 20))

    def test_large_bodies_flow_both_ways_without_piling_up(self):
        with Server() as server, Peer(server.port) as peer:
            before = server.counters()["rss_bytes"]
            parts = [os.urandom(64 * 1024) for _ in range(256)]
            peer.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")

            def send_all():
                for part in parts:
                    peer.send(b"%x\r\n%b\r\n" % (len(part), part))
                peer.send(b"0\r\n\r\n")

            sender = threading.Thread(target=send_all)
            sender.start()
            self.assertEqual(peer.answer().body, b"".join(parts))
            sender.join()
            self.assertLess(server.counters()["rss_bytes"] - before, 8 << 20)

    def test_a_body_is_asked_for_when_the_client_waits(self):
        with Server() as server, Peer(server.port) as peer:
            request = b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
            self.assertEqual(peer.ask(request).status, 100)
            self.assertEqual(peer.ask(b"ok").body, b"ok")

    def test_bad_requests_get_a_problem_document_and_the_end(self):
        head = b"GET / HTTP/1.1\r\nHost: a\r\n"
        cases = {
            400: [b"\x16\x03\x01\x00garbage\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\nHost: a\n\n",
                  head + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
                  upgrade_request().replace(KEY.encode(), b"short")],
            417: [head + b"Expect: wonders\r\n\r\n"],
            426: [upgrade_request().replace(b"Version: 13", b"Version: 12")],
            431: [head + b"X: " + b"x" * 65536 + b"\r\n\r\n", head + b"X: y\r\n" * 2000 + b"\r\n"],
            501: [head + b"Transfer-Encoding: gzip\r\n\r\n"],
            505: [b"GET / HTTP/2.0\r\nHost: a\r\n\r\n"],
        }
        with Server() as server:
            for status, requests in cases.items():
                for request in requests:
                    with self.subTest(request=request[:80]), Peer(server.port) as peer:
                        answer = peer.ask(request)
                        self.assertEqual(answer.status, status)
                        self.assertEqual(answer.headers["content-type"], "application/problem+json")
                        self.assertEqual(answer.headers["connection"], "close")
                        self.assertEqual(json.loads(answer.body)["status"], status)
                        self.assertEqual(peer.rest(), b"")
                        if status == 426:
                            self.assertEqual(answer.headers["sec-websocket-version"], "13")
            bad = sum(len(requests) for requests in cases.values())
            counters = server.wait_for(closed_bad_http=bad)
            self.assertEqual(counters["http_bad_requests_total"], bad)

    def test_an_answer_before_the_end_of_the_body_ends_the_connection(self):
        with Server() as server, Peer(server.port) as peer:
            answer = peer.ask(b"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc")
            self.assertEqual((answer.status, answer.headers["connection"]), (404, "close"))
            self.assertEqual(peer.rest(), b"")

    def test_a_body_that_stalls_is_not_waited_for(self):
        with Server(request_timeout_ms=200) as server, Peer(server.port) as peer:
            peer.send(b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
            self.assertEqual(peer.answer().status, 404)
            with Peer(server.port) as other:
                other.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
                self.assertIn(b"abc", other.rest())
            server.wait_for(closed_request_timeout=1)

    def test_an_idle_connection_is_not_kept_for_ever(self):
        with Server(request_timeout_ms=200) as server, Peer(server.port) as peer:
            self.assertEqual(peer.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").status, 200)
            self.assertEqual(peer.rest(), b"")
            server.wait_for(closed_request_timeout=1)

    def test_a_unix_socket_serves_its_owner_only_and_goes_with_the_server(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "socket")
            stale = socket.socket(socket.AF_UNIX)
            stale.bind(path)
            stale.close()
            with Server(cores=2, unix=f"unix:{path}"):
                self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
                with Peer(path=path) as peer:
                    self.assertEqual(peer.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").status, 200)
                with Peer(path=path) as peer:
                    peer.upgrade().send(frame(TEXT, b"local"))
                    self.assertEqual(peer.take_frame(), (TEXT, b"local"))
            self.assertFalse(os.path.exists(path))


class Hostile(unittest.IsolatedAsyncioTestCase):
    async def test_a_thousand_half_open_handshakes_hold_nobody_up(self):
        with Server(cores=2, handshake_timeout_ms=2000) as server:
            parts = (b"", b"G", upgrade_request()[:-2], b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 2000)
            peers = [Peer(server.port) for _ in range(1000)]
            for number, peer in enumerate(peers):
                peer.send(parts[number % len(parts)])
            await echoes(server.url, 100)
            for number, peer in enumerate(peers):
                said = peer.rest()
                self.assertEqual(said[:12], b"" if number % len(parts) == 0 else b"HTTP/1.1 408")
                peer.socket.close()
            server.wait_for(closed_handshake_timeout=1000)

    def test_a_head_that_trickles_in_has_no_more_time_than_another(self):
        with Server(handshake_timeout_ms=300) as server, Peer(server.port) as peer:
            peer.send(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
            # The wait between two bytes is a wait for an answer.
            peer.socket.settimeout(0.02)
            started = time.monotonic()
            while not peer.buffer:
                self.assertLess(time.monotonic() - started, LIMIT_S)
                peer.send(b"x")
                with contextlib.suppress(TimeoutError):
                    peer.more()
            self.assertEqual(peer.answer().status, 408)
            server.wait_for(closed_handshake_timeout=1)

    async def test_clients_that_stop_reading_are_bounded_and_closed(self):
        with Server(cores=2, send_timeout_ms=1500) as server:
            await echoes(server.url)
            before = server.counters()["rss_bytes"]
            peers = [Peer(server.port, receive_buffer=4096).upgrade("/flood") for _ in range(100)]
            talker = Peer(server.port, receive_buffer=4096).upgrade()
            talker.socket.setblocking(False)
            with contextlib.suppress(BlockingIOError, ConnectionError):
                while True:
                    talker.socket.send(frame(TEXT, b"x" * 1000))
            await echoes(server.url, 100)
            during = server.counters()["rss_bytes"]
            server.wait_for(closed_send_timeout=100)
            self.assertLess(during - before, 100 * 256 * 1024)
            await echoes(server.url)
            for peer in (*peers, talker):
                peer.socket.close()
            server.wait_until("websockets", 0)

    def test_a_client_that_reads_slowly_gets_everything(self):
        with Server() as server, Peer(server.port, receive_buffer=4096) as peer:
            peer.upgrade("/flood")
            for _ in range(500):
                self.assertEqual(peer.take_frame(), (TEXT, b"x" * 16384))

    async def test_random_bytes_do_no_harm(self):
        dice = random.Random(7)
        with Server(cores=2, handshake_timeout_ms=500) as server:
            for number in range(200):
                with Peer(server.port) as peer, contextlib.suppress(ConnectionError):
                    if number % 2:
                        peer.upgrade()
                    peer.send(dice.randbytes(dice.randrange(1, 3000)))
                    peer.socket.shutdown(socket.SHUT_WR)
                    peer.rest()
            await echoes(server.url)
            server.wait_until("connections", 1)
            self.assertEqual(server.counters()["lent_contexts"], 0)

    async def test_more_connections_than_configured_are_told_to_come_back(self):
        with Server(connections_max=10) as server:
            inside = [Peer(server.port).upgrade() for _ in range(10)]
            for _ in range(5):
                with Peer(server.port) as peer:
                    answer = peer.answer()
                    self.assertEqual(answer.status, 503)
                    self.assertIn("retry-after", answer.headers)
                    self.assertEqual(peer.rest(), b"")
            for peer in inside:
                peer.send(frame(TEXT, b"still here"))
                self.assertEqual(peer.take_frame(), (TEXT, b"still here"))
            inside.pop().socket.close()
            with Peer(server.port) as peer:
                self.assertTrue(peer.socket)
            deadline = time.monotonic() + LIMIT_S
            status = 503
            while status == 503:
                self.assertLess(time.monotonic(), deadline)
                with Peer(server.port) as peer:
                    status = peer.ask(upgrade_request()).status
            self.assertEqual(status, 101)
            for peer in inside:
                peer.socket.close()

    def test_what_comes_while_a_core_is_held_up_is_received_all_the_same(self):
        with Server() as server:
            peers = [Peer(server.port).upgrade() for _ in range(600)]
            server.process.send_signal(signal.SIGSTOP)
            for number, peer in enumerate(peers):
                peer.send(frame(TEXT, b"%d" % number))
            server.process.send_signal(signal.SIGCONT)
            for number, peer in enumerate(peers):
                self.assertEqual(peer.take_frame(), (TEXT, b"%d" % number))
                peer.socket.close()

    def test_a_core_without_room_refuses_what_is_passed_to_it(self):
        with Server(cores=2, connections_max=10) as server:
            peers = [Peer(server.port) for _ in range(60)]
            statuses = []
            for peer in peers:
                peer.send(upgrade_request())
            for peer in peers:
                with contextlib.suppress(ConnectionError, AssertionError):
                    statuses.append(peer.answer().status)
            self.assertLessEqual(set(statuses), {101, 503})
            self.assertIn(101, statuses)
            self.assertLessEqual(statuses.count(101), 20)
            for peer in peers:
                peer.socket.close()
            server.wait_until("websockets", 0)

    def test_a_stop_in_the_middle_of_handovers_loses_nothing(self):
        for _ in range(5):
            with Server(cores=3, files_max=32) as server:
                peers = [Peer(server.port) for _ in range(100)]
                for peer in peers:
                    peer.send(upgrade_request() + frame(TEXT, b"hello"))
            for peer in peers:
                peer.socket.close()

    async def test_clients_that_come_and_go_in_the_middle_of_everything(self):
        dice = random.Random(11)
        with Server(cores=3, files_max=64) as server:
            request = upgrade_request() + frame(TEXT, b"hello") + close_frame(1000)
            for _ in range(1000):
                peer = Peer(server.port)
                with contextlib.suppress(ConnectionError):
                    peer.send(request[:dice.randrange(len(request))])
                peer.socket.close()
            await echoes(server.url)
            server.wait_until("connections", 1)
            self.assertEqual(server.counters()["lent_contexts"], 0)


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    unittest.main(verbosity=2)
