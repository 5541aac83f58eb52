#!/usr/bin/python3
"""TLS of the daemon: sessions, requests, certificates and their renewal, and what is refused."""
import contextlib
import http.client
import os
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import xml.etree.ElementTree

from certificates import Authority, key_text, new_key, write
from daemon import Daemon, LIMIT_S, run, token

HERE = (37.5665, 126.978)


@contextlib.contextmanager
def daemon_with(labels=("server",), names=None, **options):
    """A daemon with a certificate for each label, and the authority that issued them."""
    with tempfile.TemporaryDirectory(prefix="nearby-tls-") as folder:
        authority = Authority(folder)
        files = [authority.issue(label, *((names[label],) if names else ())) for label in labels]
        authority.files = files
        with Daemon(tls_certificate=", ".join(f[0] for f in files), tls_key=", ".join(f[1] for f in files),
                    **options) as daemon:
            yield daemon, authority


def connect(daemon, context, name="127.0.0.1", session=None):
    plain = socket.create_connection(("127.0.0.1", daemon.tls_port), LIMIT_S)
    try:
        return context.wrap_socket(plain, server_hostname=name, session=session, suppress_ragged_eofs=False)
    except OSError:
        plain.close()
        raise


def get(client, path="/healthz", headers=""):
    """Asks, and reads the head and body of the answer; the connection stays."""
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
    answer = http.client.HTTPResponse(client)
    answer.begin()
    answer.read()
    return answer.status


def handshakes(daemon, result):
    return daemon.counter(f'tls_handshakes_total{{result="{result}"}}')


def await_handshakes(daemon, result, count):
    daemon.wait_for_counter(f'tls_handshakes_total{{result="{result}"}}', count)


async def friends_meet_on_any_core_over_both_versions():
    with daemon_with(cores=3) as (daemon, authority):
        old, new = authority.client(("TLSv1_2",)), authority.client(("TLSv1_3",))
        pairs = [(2 * number, 2 * number + 1) for number in range(6)]
        daemon.befriend(*pairs)
        for number, (left, right) in enumerate(pairs):
            async with daemon.session(left, ssl=old if number % 2 else new) as ann, \
                    daemon.session(right, ssl=new) as bob:
                await ann.begin(*HERE)
                await bob.begin(HERE[0] + 0.001, HERE[1])
                assert (await ann.expect("update"))["friends"][0]["user"] == str(right)
                for step in range(1, 20):
                    await ann.locate(HERE[0] + step * 1e-4, HERE[1])
                    lat = round(HERE[0] + step * 1e-4, 7)
                    while (await bob.expect("update"))["friends"][0]["lat"] != lat:
                        pass
        assert daemon.counter("handovers_total") > 0
        # Both ends said goodbye.
        daemon.wait_for_counter('connections_closed_total{reason="peer"}', 2 * len(pairs))


def requests_share_a_connection():
    with daemon_with() as (daemon, authority):
        connection = http.client.HTTPSConnection("127.0.0.1", daemon.tls_port, timeout=LIMIT_S,
                                                 context=authority.client())
        for user in range(5):
            connection.request("GET", "/v1/me", headers={"Authorization": "Bearer " + token(user)})
            answer = connection.getresponse()
            assert answer.status == 200 and str(user) in answer.read().decode()
        connection.request("GET", "/healthz", headers={"Connection": "close"})
        assert connection.getresponse().status == 200
        connection.close()
        assert handshakes(daemon, "full") == 1
        with connect(daemon, authority.client()) as client:
            assert get(client, headers="Connection: close\r\n") == 200
            # An end without the word of TLS would be an error.
            assert client.recv(1) == b""


def http_1_1_is_all_that_is_spoken():
    with daemon_with() as (daemon, authority):
        for offered, chosen in ((("http/1.1",), "http/1.1"), (("h2", "http/1.1"), "http/1.1"), ((), None)):
            with connect(daemon, authority.client(alpn=offered)) as client:
                assert client.selected_alpn_protocol() == chosen
                assert get(client) == 200
        for version in ("TLSv1_2", "TLSv1_3"):
            try:
                with connect(daemon, authority.client((version,), alpn=("h2", "http/1.10"))) as client:
                    client.recv(1)
                raise AssertionError("a client that speaks none of ours was let in")
            except ssl.SSLError as error:
                assert "no application protocol" in str(error).lower().replace("_", " "), error
        await_handshakes(daemon, "mismatch", 2)


def the_name_chooses_the_certificate():
    names = {"first": ("a.example.org", "127.0.0.1"), "second": ("b.example.org", "*.c.example.org")}
    with daemon_with(("first", "second"), names) as (daemon, authority):
        def served(name):
            context = authority.client()
            context.check_hostname = False
            with connect(daemon, context, name) as client:
                assert get(client) == 200
                return client.getpeercert()["subject"][0][0][1]
        for name, label in (("a.example.org", "first"), ("b.example.org", "second"), ("B.Example.ORG", "second"),
                            ("x.c.example.org", "second"), ("x.y.c.example.org", "first"),
                            ("unknown.example.org", "first"), (None, "first")):
            assert served(name) == label, (name, label)


def resumed(daemon, authority, version):
    """A first connection and one that resumes its session; whether it did."""
    context = authority.client((version,))
    with connect(daemon, context) as client:
        assert get(client) == 200 and not client.session_reused
        session = client.session
    with connect(daemon, context, session=session) as client:
        assert get(client) == 200
        return client.session_reused, session, context


def sessions_are_resumed_on_any_core():
    with daemon_with(cores=3) as (daemon, authority):
        for version in ("TLSv1_2", "TLSv1_3"):
            for _ in range(5):
                assert resumed(daemon, authority, version)[0], version
        assert handshakes(daemon, "resumed") == 10 and handshakes(daemon, "full") == 10


def until(condition):
    """Asks until it is so; each ask is work of the daemon's own."""
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, f"not so after {LIMIT_S} s"


def serial(daemon, authority):
    with connect(daemon, authority.client()) as client:
        assert get(client) == 200
        return client.getpeercert()["serialNumber"]


async def certificates_are_renewed_without_a_drop():
    with daemon_with(cores=2) as (daemon, authority):
        daemon.befriend((1, 2))
        context = authority.client()
        async with daemon.session(1, ssl=context) as ann, daemon.session(2, ssl=context) as bob:
            await ann.begin(*HERE)
            await bob.begin(HERE[0] + 0.001, HERE[1])
            await ann.expect("update")
            before = serial(daemon, authority)
            _, session, resuming = resumed(daemon, authority, "TLSv1_3")
            authority.issue("server")
            daemon.process.send_signal(signal.SIGHUP)
            until(lambda: serial(daemon, authority) != before)
            await ann.locate(HERE[0] + 0.0005, HERE[1])
            assert (await bob.expect("update"))["friends"][0]["lat"] == round(HERE[0] + 0.0005, 7)
            # Tickets of before are good still.
            with connect(daemon, resuming, session=session) as client:
                assert get(client) == 200 and client.session_reused


def a_renewal_that_is_wrong_leaves_what_is_there():
    with daemon_with() as (daemon, authority):
        before = serial(daemon, authority)
        write(authority.files[0][1], key_text(new_key()))
        daemon.process.send_signal(signal.SIGHUP)
        for _ in range(20):
            assert serial(daemon, authority) == before
        assert daemon.stop() == 0
        log = daemon.log_text()
        assert "is not the key of the certificate" in log and "what was in force stays" in log, log


def http_in_the_clear_is_told_so():
    with daemon_with() as (daemon, authority):
        answer = daemon.request("GET", "/healthz")
        assert answer.status == 400 and "TLS" in answer.json()["detail"], answer.text
        await_handshakes(daemon, "plain_http", 1)
        daemon.wait_for_counter('connections_closed_total{reason="tls"}', 1)
        assert serial(daemon, authority)


async def plain_and_tls_stand_side_by_side():
    with daemon_with(tls_listen="127.0.0.1:0", cores=2) as (daemon, authority):
        assert daemon.port != daemon.tls_port
        daemon.befriend((1, 2))
        assert daemon.request("GET", "/healthz").status == 200
        async with daemon.session(1) as ann, daemon.session(2, ssl=authority.client()) as bob:
            await ann.begin(*HERE)
            await bob.begin(*HERE)
            await ann.expect("update")


def s_client(daemon, authority, *options):
    """Whether the handshake of `openssl s_client` succeeds."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{daemon.tls_port}", "-CAfile", authority.path,
         "-verify_return_error", *options],
        input=b"", capture_output=True, timeout=LIMIT_S, check=False)
    return done.returncode == 0


def what_is_weak_is_refused():
    with daemon_with() as (daemon, authority):
        assert s_client(daemon, authority, "-tls1_2") and s_client(daemon, authority, "-tls1_3")
        weak = (("-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"), ("-tls1", "-cipher", "DEFAULT@SECLEVEL=0"),
                ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"), ("-tls1_2", "-cipher", "AES128-GCM-SHA256"),
                ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA"), ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-CCM8"),
                ("-groups", "P-521"))
        for options in weak:
            assert not s_client(daemon, authority, *options), options
        await_handshakes(daemon, "mismatch", len(weak))


def a_scanner_finds_nothing_weak():
    with daemon_with() as (daemon, authority):
        try:
            done = subprocess.run(
                ["sslscan", "--xml=-", "--show-times", f"127.0.0.1:{daemon.tls_port}"],
                capture_output=True, timeout=LIMIT_S, check=True)
        except FileNotFoundError:
            print("skipped: no sslscan (Debian: sslscan)")
            return
        test = xml.etree.ElementTree.fromstring(done.stdout).find("ssltest")
        versions = {p.get("version") for p in test.iter("protocol") if p.get("type") == "tls" and p.get("enabled") == "1"}
        assert versions == {"1.2", "1.3"}, versions
        assert not [p for p in test.iter("protocol") if p.get("type") == "ssl" and p.get("enabled") == "1"]
        ciphers = {c.get("cipher") for c in test.iter("cipher")}
        assert ciphers and all(
            name.startswith("TLS_") or (name.startswith("ECDHE-") and ("GCM" in name or "POLY1305" in name))
            for name in ciphers), ciphers
        groups = {g.get("name").split()[0] for g in test.iter("group")}
        assert groups and groups <= {"x25519", "secp256r1", "secp384r1"}, groups
        assert test.find("renegotiation").get("supported") == "0"
        assert all(c.get("supported") == "0" for c in test.iter("compression"))
        assert all(h.get("vulnerable") == "0" for h in test.iter("heartbleed"))
        assert serial(daemon, authority)


def garbage_harms_nobody():
    with daemon_with() as (daemon, authority):
        for said in (b"\x16\x03\x01\x00\x05hello", b"\0" * 100, b"\x16\x03\x03\xff\xff" + b"x" * 1000,
                     b"\x15\x03\x03\x00\x02\x02\x28", b"SSH-2.0-x\r\n"):
            with socket.create_connection(("127.0.0.1", daemon.tls_port), LIMIT_S) as client, \
                    contextlib.suppress(ConnectionError):
                client.sendall(said)
                client.shutdown(socket.SHUT_WR)
                while client.recv(1000):
                    pass
        with connect(daemon, authority.client()) as client:
            # A record in the clear in the middle of what is sealed.
            os.write(client.fileno(), b"\x17\x03\x03\x00\x10" + b"x" * 16)
            with contextlib.suppress(ssl.SSLError, ConnectionError):
                assert client.recv(1) == b""
        await_handshakes(daemon, "broken", 6)
        assert serial(daemon, authority)


def a_stream_that_is_cut_is_no_good_end():
    with daemon_with() as (daemon, authority):
        client = connect(daemon, authority.client())
        assert get(client) == 200
        os.close(client.detach())
        daemon.wait_for_counter('connections_closed_total{reason="reset"}', 1)


def refused_start(options, *words):
    daemon = Daemon(**options)
    with contextlib.closing(contextlib.ExitStack()) as stack:
        stack.callback(daemon.__exit__, None, None, None)
        daemon.start(ready=False)
        status = daemon.process.wait(LIMIT_S)
        daemon.process = None
        daemon.log.close()
        log = daemon.log_text()
        assert status == 1 and all(word in log for word in words), log


def files_that_are_wrong_stop_the_start_and_are_named():
    with tempfile.TemporaryDirectory(prefix="nearby-tls-") as folder:
        authority = Authority(folder)
        certificate, key = authority.issue("server")
        locked = write(os.path.join(folder, "locked.key"), key_text(new_key(), b"secret"))
        other = write(os.path.join(folder, "other.key"), key_text(new_key()))
        rsa = write(os.path.join(folder, "rsa.key"), key_text(new_key("rsa2048")))
        weak = authority.issue("weak", kind="rsa1024")
        missing = os.path.join(folder, "missing.pem")
        for chain, secret, words in (
                (missing, key, ("tls-certificate", missing, "No such file")),
                (certificate, missing, ("tls-key", missing, "No such file")),
                (key, key, ("tls-certificate", key, "holds no certificate")),
                (certificate, certificate, ("tls-key", certificate, "holds no private key")),
                (certificate, locked, ("tls-key", locked, "encrypted")),
                (certificate, other, ("tls-key", other, "is not the key of the certificate", certificate)),
                (certificate, rsa, ("tls-key", rsa, "is not the key of the certificate", certificate)),
                (*weak, ("tls-certificate", weak[0], "too small"))):
            refused_start({"tls_certificate": chain, "tls_key": secret}, *words)


def an_expired_certificate_is_served_with_a_warning():
    with tempfile.TemporaryDirectory(prefix="nearby-tls-") as folder:
        authority = Authority(folder)
        certificate, key = authority.issue("old", days=(-9, -2))
        with Daemon(tls_certificate=certificate, tls_key=key) as daemon:
            try:
                serial(daemon, authority)
                raise AssertionError("a client trusts an expired certificate")
            except ssl.SSLCertVerificationError:
                pass
            await_handshakes(daemon, "refused", 1)
            assert "has expired" in daemon.log_text()


if __name__ == "__main__":
    run(friends_meet_on_any_core_over_both_versions,
        requests_share_a_connection,
        http_1_1_is_all_that_is_spoken,
        the_name_chooses_the_certificate,
        sessions_are_resumed_on_any_core,
        certificates_are_renewed_without_a_drop,
        a_renewal_that_is_wrong_leaves_what_is_there,
        http_in_the_clear_is_told_so,
        plain_and_tls_stand_side_by_side,
        what_is_weak_is_refused,
        a_scanner_finds_nothing_weak,
        garbage_harms_nobody,
        a_stream_that_is_cut_is_no_good_end,
        files_that_are_wrong_stop_the_start_and_are_named,
        an_expired_certificate_is_served_with_a_warning)
