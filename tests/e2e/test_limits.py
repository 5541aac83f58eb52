"""
Every limit is reached on purpose: what the client is told, and which counter moves.
"""
import base64
import contextlib
import hashlib
import http.client
import os
import socket

import websockets

from daemon import LIMIT_S, Daemon, run, token

HERE = (37.7749, -122.4194)


async def a_user_has_so_many_sessions_and_no_more():
    with Daemon(user_sessions_max=2) as daemon:
        async with daemon.session(1), daemon.session(1):
            try:
                async with daemon.session(1):
                    raise AssertionError("a third session was let in")
            except websockets.InvalidStatusCode as refusal:
                assert refusal.status_code == 429, refusal
                assert int(refusal.headers["Retry-After"]) > 0, refusal.headers
            assert daemon.counter("sessions_of_one_user_refused_total") == 1
            async with daemon.session(2):
                pass
        # The places of those who left are free.
        async with daemon.session(1):
            pass


async def a_connection_whose_upgrade_was_refused_is_good_for_another():
    with Daemon(user_sessions_max=1) as daemon:
        def upgrade(connection, user, key):
            connection.request("GET", "/v1/ws", headers={
                "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": key, "Authorization": "Bearer " + token(user)})
            answer = connection.getresponse()
            if answer.status != 101:
                answer.read()
            return answer

        async with daemon.session(1):
            # From a core to that of the first user, and on to that of the second: all ways are gone.
            for user in range(2, 34):
                first, second = (base64.b64encode(os.urandom(16)).decode() for _ in range(2))
                connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=LIMIT_S)
                with contextlib.closing(connection):
                    assert upgrade(connection, 1, first).status == 429
                    answer = upgrade(connection, user, second)
                    assert answer.status == 101, answer.status
                    accept = hashlib.sha1((second + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
                    assert answer.getheader("Sec-WebSocket-Accept") == base64.b64encode(accept).decode()


async def errors_end_a_session_when_there_are_too_many():
    with Daemon(errors_per_min=3) as daemon:
        async with daemon.session(1) as ann:
            for _ in range(4):
                await ann.send(type="no such thing")
            for _ in range(4):
                assert (await ann.expect("error"))["code"] == "unknown_type"
            assert await ann.closed() == 1008
        assert daemon.counter("client_errors_total") == 4
        daemon.wait_for_counter('connections_closed_total{reason="policy"}', 1)


async def a_message_has_so_many_bytes_and_no_more():
    with Daemon(message_bytes_max=1024) as daemon:
        async with daemon.session(1) as ann:
            await ann.socket.send('{"type":"x"' + " " * (1023 - 11) + "}")
            assert (await ann.expect("error"))["code"] == "unknown_type"
            await ann.socket.send('{"type":"x"' + " " * (1024 - 11) + "}")
            assert await ann.closed() == 1009
        daemon.wait_for_counter('connections_closed_total{reason="too_big"}', 1)


def an_address_opens_so_many_connections_and_no_more():
    with Daemon(connections_per_s=1) as daemon:
        # Ten at once; the bound of tries is for a machine that opens one a second.
        statuses = []
        while len(statuses) < 1000 and 429 not in statuses:
            answer = daemon.request("GET", "/healthz")
            statuses.append(answer.status)
        assert len(statuses) > 10 and set(statuses) == {200, 429}, statuses
        assert int(answer.headers["retry-after"]) > 0
        assert daemon.counter("connections_too_fast_total") == 1
        # Another address is another client, and the admin listener has no such limit.
        other = http.client.HTTPConnection("127.0.0.1", daemon.port, source_address=("127.0.0.9", 0))
        with contextlib.closing(other):
            other.request("GET", "/healthz")
            assert other.getresponse().status == 200
        for _ in range(20):
            assert daemon.admin("GET", "/healthz").status == 200


async def a_flood_of_pings_ends_a_session():
    with Daemon(frames_per_s=100) as daemon:
        async with daemon.session(1) as ann:
            ping = b"\x89\x80\x00\x00\x00\x00"
            # As many as a machine takes that reads a hundred in a second; the first hundred pass.
            with contextlib.suppress(ConnectionError, websockets.ConnectionClosed):
                for _ in range(1000):
                    ann.socket.transport.write(100 * ping)
                    await ann.socket.drain()
            assert await ann.closed() == 1008
        assert daemon.counter("websocket_floods_total") == 1
        async with daemon.session(2):
            pass


def the_head_and_the_body_of_a_request_have_so_many_bytes_and_no_more():
    with Daemon(head_bytes_max=1024, body_bytes_max=1024) as daemon:
        assert daemon.request("GET", "/v1/me", user=1, headers={"X-Filler": "x" * 300}).status == 200
        assert daemon.request("GET", "/v1/me", user=1, headers={"X-Filler": "x" * 1024}).status == 431
        assert daemon.counter("http_bad_requests_total") == 1
        name = '{"name":"Ann"' + " " * (1024 - 14) + "}"
        assert daemon.request("PATCH", "/v1/me", user=1, body=name).status == 200
        answer = daemon.request("PATCH", "/v1/me", user=1, body=name + " ")
        assert answer.status == 413 and "1024 bytes" in answer.json()["detail"], answer.text


def a_body_that_trickles_in_holds_its_place_for_a_while_and_no_longer():
    with Daemon(handshake_timeout_s=1) as daemon:
        with socket.create_connection(("127.0.0.1", daemon.port), LIMIT_S) as peer:
            peer.sendall(b"PATCH /v1/me HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + token(1).encode() +
                         b"\r\nContent-Length: 100\r\n\r\n{")
            assert peer.recv(4096).startswith(b"HTTP/1.1 408 ")


def a_user_asks_so_often_and_no_more():
    with Daemon(requests_per_s=1) as daemon:
        # Ten at once; the bound of tries is for a machine that answers one a second.
        answers = []
        while len(answers) < 1000 and (not answers or answers[-1].status == 200):
            answers.append(daemon.request("GET", "/v1/me", user=1))
        assert len(answers) > 10 and answers[-1].status == 429, len(answers)
        assert int(answers[-1].headers["retry-after"]) > 0
        assert "requests a second" in answers[-1].json()["detail"]
        assert daemon.counter("http_requests_too_fast_total") == 1
        # Others are answered, and so is an application's server about this user.
        assert daemon.request("GET", "/v1/me", user=2).status == 200
        assert daemon.admin("GET", "/v1/users/1").status == 200


async def messages_of_a_session_are_heard_so_often_and_no_more():
    with Daemon(messages_per_s=1) as daemon:
        async with daemon.session(1) as ann:
            await ann.begin(*HERE)
            said = 0
            with contextlib.suppress(websockets.ConnectionClosed):
                for said in range(1, 1000):
                    await ann.send(type="nearby", limit=1)
                    if (await ann.receive())["type"] == "error":
                        break
            assert said >= 29, said
            assert daemon.counter("client_errors_total") == 1
            assert daemon.counter("locations_total") == 1


if __name__ == "__main__":
    run(a_user_has_so_many_sessions_and_no_more,
        a_connection_whose_upgrade_was_refused_is_good_for_another,
        errors_end_a_session_when_there_are_too_many,
        a_message_has_so_many_bytes_and_no_more,
        an_address_opens_so_many_connections_and_no_more,
        a_flood_of_pings_ends_a_session,
        the_head_and_the_body_of_a_request_have_so_many_bytes_and_no_more,
        a_body_that_trickles_in_holds_its_place_for_a_while_and_no_longer,
        a_user_asks_so_often_and_no_more,
        messages_of_a_session_are_heard_so_often_and_no_more)
