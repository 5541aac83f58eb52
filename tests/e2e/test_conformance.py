"""
Owns: what RFC 6455 asks of a server, case by case, under the numbers of the sections of the Autobahn
  test suite and judged as there: the echo server, and nearbyd in both subprotocols.
Invariant: each case is a connection of its own; where nothing breaks it, it ends with a clean close.
Does not know: what nearbyd answers, other than with one message for each that it can read.

Left out: sections 12 and 13, compression, which is not offered. Broken messages are refused as soon as
they can be, which Autobahn calls strict.
"""
import collections
import contextlib
import resource
import struct

from daemon import Daemon, run, token
from echo import (BINARY, CLOSE, PING, PONG, TEXT, Peer, Server, close_frame, frame, header)

CONTINUATION = 0
SECTIONS = {1: "framing", 2: "pings and pongs", 3: "reserved bits", 4: "opcodes", 5: "fragmentation", 6: "UTF-8",
            7: "close", 9: "limits", 10: "automatic fragmentation"}
NO_MASK = b"\0\0\0\0"
MIB = 1 << 20

# Steps are (pieces to send one by one, what is then heard). Heard is (opcode, payload); of a Close, the code.
Case = collections.namedtuple("Case", "number what steps")


def quick(opcode, payload, fin=128):
    """A frame whose mask changes nothing."""
    return header(fin | opcode, len(payload), NO_MASK) + payload


def pieces(data, size):
    return [data[i:i + size] for i in range(0, len(data), size)]


def fragments(opcode, payload, size):
    """A message in frames of `size` bytes."""
    parts = pieces(payload, size) or [b""]
    return [quick(opcode if i == 0 else CONTINUATION, part, 128 if i == len(parts) - 1 else 0)
            for i, part in enumerate(parts)]


def broken(code):
    return (CLOSE, code)


def chops(*frames):
    """The same at once, frame by frame and byte by byte."""
    whole = b"".join(frames)
    return [whole], list(frames), pieces(whole, 1)


def section_1():
    for part, opcode, byte in ((1, TEXT, b"*"), (2, BINARY, b"\xfe")):
        for i, size in enumerate((0, 125, 126, 127, 128, 65535, 65536), 1):
            yield f"1.{part}.{i}", f"{size} bytes", [([frame(opcode, byte * size)], [(opcode, byte * size)])]
        yield (f"1.{part}.8", "65536 bytes, chopped",
               [(pieces(frame(opcode, byte * 65536), 997), [(opcode, byte * 65536)])])


def section_2():
    for i, payload in enumerate((b"", b"Hello, world!", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", b"\xfe" * 125), 1):
        yield f"2.{i}", "a ping", [([frame(PING, payload)], [(PONG, payload)])]
    yield "2.5", "a ping of 126 bytes", [([frame(PING, b"\xfe" * 126)], [broken(1002)])]
    yield "2.6", "a ping, byte by byte", [(pieces(frame(PING, b"\xfe" * 125), 1), [(PONG, b"\xfe" * 125)])]
    yield "2.7", "a pong that nobody asked for", [([frame(PONG, b"")], [])]
    yield "2.8", "the same with a payload", [([frame(PONG, b"unsolicited")], [])]
    yield "2.9", "the same and a ping", [([frame(PONG, b"unsolicited") + frame(PING, b"ping")], [(PONG, b"ping")])]
    pings = [b"payload-%d" % i for i in range(10)]
    whole = b"".join(frame(PING, ping) for ping in pings)
    yield "2.10", "ten pings", [([whole], [(PONG, ping) for ping in pings])]
    yield "2.11", "ten pings, byte by byte", [(pieces(whole, 1), [(PONG, ping) for ping in pings])]


def after_a_good_message(number, what, bad):
    """What is bad ends it, and the ping after it is not answered; at once, frame by frame, byte by byte."""
    good, ping = frame(TEXT, b"Hello, world!"), frame(PING, b"")
    for chop, sent in zip("abc", chops(good, bad, ping)):
        yield number + chop, what, [(sent, [(TEXT, b"Hello, world!"), broken(1002)])]


def section_3():
    yield "3.1", "reserved bits 1", [([frame(TEXT, b"Hello, world!", 128 | 1 << 4)], [broken(1002)])]
    for i, opcode in ((2, TEXT), (3, TEXT), (4, TEXT), (5, BINARY), (6, PING), (7, CLOSE)):
        yield from after_a_good_message(f"3.{i}", f"reserved bits {i}", frame(opcode, b"\3\xe8", 128 | i << 4))


def section_4():
    for part, first in ((1, 3), (2, 11)):
        yield f"4.{part}.1", f"opcode {first}", [([frame(first, b"")], [broken(1002)])]
        yield f"4.{part}.2", f"opcode {first + 1}", [([frame(first + 1, b"reserved")], [broken(1002)])]
        for i in (3, 4, 5):
            yield from after_a_good_message(f"4.{part}.{i}", f"opcode {first + i - 1}",
                                            frame(first + i - 1, b"" if i == 3 else b"reserved"))


def section_5():
    one, two = frame(TEXT, b"fragment1", 0), frame(CONTINUATION, b"fragment2")
    both = (TEXT, b"fragment1fragment2")
    ping, pong = frame(PING, b"ping"), (PONG, b"ping")
    yield "5.1", "a ping in two", [([frame(PING, b"fragment1", 0) + two], [broken(1002)])]
    yield "5.2", "a pong in two", [([frame(PONG, b"fragment1", 0) + two], [broken(1002)])]
    for i, sent in enumerate(chops(one, two), 3):
        yield f"5.{i}", "a text in two", [(sent, [both])]
    for i, sent in enumerate(chops(one, ping, two), 6):
        yield f"5.{i}", "a text in two, a ping between", [(sent, [pong, both])]
    whole = frame(TEXT, b"Hello, world!")
    for first, fin in ((9, 128), (12, 0)):
        for i, sent in enumerate(chops(frame(CONTINUATION, b"of nothing", fin), whole), first):
            yield f"5.{i}", f"a continuation of nothing, fin {fin}", [(sent, [broken(1002)])]
    yield ("5.15", "a text in two, a continuation of nothing, a text",
           [([one + two + frame(CONTINUATION, b"fragment3", 0) + frame(TEXT, b"fragment4")], [both, broken(1002)])])
    for i, fin in ((16, 0), (17, 128)):
        yield (f"5.{i}", "a continuation of nothing and a text, twice",
               [([(frame(CONTINUATION, b"fragment1", fin) + frame(TEXT, b"fragment2")) * 2], [broken(1002)])])
    yield "5.18", "a text within a text", [([one + frame(TEXT, b"fragment2")], [broken(1002)])]
    begin = [one, frame(CONTINUATION, b"fragment2", 0), frame(PING, b"pongme 1!")]
    end = [frame(CONTINUATION, b"fragment3", 0), frame(CONTINUATION, b"fragment4", 0), frame(PING, b"pongme 2!"),
           frame(CONTINUATION, b"fragment5")]
    heard = [(PONG, b"pongme 2!"), (TEXT, b"fragment1fragment2fragment3fragment4fragment5")]
    yield "5.19", "five fragments, two pings, a wait", [(begin, [(PONG, b"pongme 1!")]), (end, heard)]
    yield "5.20", "five fragments, two pings", [([b"".join(begin + end)], [(PONG, b"pongme 1!")] + heard)]


KOSME = "κ\u1f79σμε".encode()
SURROGATE = b"\xed\xa0\x80"
BEYOND = b"\xf4\x90\x80\x80"
# By part of section 6: sequences in hex, and whether they are sound.
UTF8 = {
    5: [(text.encode().hex(), True)
        for text in ("hello$world", "hello¢world", "hello€world", "hello𤭢world", KOSME.decode())],
    6: [(KOSME[:i].hex(), i in (2, 5, 7, 9, 11)) for i in range(1, 12)],
    7: [("00", True), ("c280", True), ("e0a080", True), ("f0908080", True)],
    8: [("f888808080", False), ("fc8480808080", False)],
    9: [("7f", True), ("dfbf", True), ("efbfbf", True), ("f48fbfbf", True)],
    10: [("f7bfbfbf", False), ("fbbfbfbfbf", False), ("fdbfbfbfbfbf", False)],
    11: [("ed9fbf", True), ("ee8080", True), ("efbfbd", True), ("f48fbfbf", True), ("f4908080", False)],
    12: [("80", False), ("bf", False)] + [(("80bf" * 3)[:2 * i], False) for i in range(2, 7)]
        + [(bytes(range(0x80, 0xc0)).hex(), False)],
    13: [(b"".join(bytes([byte, 32]) for byte in range(*ends)).hex(), False)
         for ends in ((0xc0, 0xe0), (0xe0, 0xf0), (0xf0, 0xf8), (0xf8, 0xfc), (0xfc, 0xfe))],
    14: [(text, False) for text in ("c0", "e080", "f08080", "f8808080", "fc80808080", "df", "efbf", "f7bfbf",
                                    "fbbfbfbf", "fdbfbfbfbf")],
    15: [("c0e080f08080f8808080fc80808080dfefbff7bfbffbbfbfbffdbfbfbfbf", False)],
    16: [("fe", False), ("ff", False), ("fefeffff", False)],
    17: [(text, False) for text in ("c0af", "e080af", "f08080af", "f8808080af", "fc80808080af")],
    18: [(text, False) for text in ("c1bf", "e09fbf", "f08fbfbf", "f887bfbfbf", "fc83bfbfbfbf")],
    19: [(text, False) for text in ("c080", "e08080", "f0808080", "f880808080", "fc8080808080")],
    20: [(text, False) for text in ("eda080", "edadbf", "edae80", "edafbf", "edb080", "edbe80", "edbfbf")],
    21: [(high + low, False) for high in ("eda080", "edadbf", "edae80", "edafbf") for low in ("edb080", "edbfbf")],
    22: [(chr(plane << 16 | low).encode().hex(), True) for plane in range(17) for low in (0xfffe, 0xffff)],
    23: [(chr(point).encode().hex(), True) for point in range(0xfff9, 0x10000)],
}


def section_6():
    hello = "Hello-µ@ßöäüàá-UTF-8!!".encode()
    yield "6.1.1", "nothing", [([frame(TEXT, b"")], [(TEXT, b"")])]
    for i, middle in ((2, b""), (3, b"middle frame payload")):
        sent = frame(TEXT, b"", 0) + frame(CONTINUATION, middle, 0) + frame(CONTINUATION, b"")
        yield f"6.1.{i}", "empty fragments", [([sent], [(TEXT, middle)])]
    yield "6.2.1", "a text", [([frame(TEXT, hello)], [(TEXT, hello)])]
    yield "6.2.2", "a text in two", [([b"".join(fragments(TEXT, hello, 14))], [(TEXT, hello)])]
    for i, text in ((3, hello), (4, KOSME)):
        yield f"6.2.{i}", "a text in bytes", [(fragments(TEXT, text, 1), [(TEXT, text)])]
    bad = KOSME + SURROGATE + b"edited"
    yield "6.3.1", "a surrogate", [([frame(TEXT, bad)], [broken(1007)])]
    yield "6.3.2", "a surrogate, in bytes", [(fragments(TEXT, bad, 1), [broken(1007)])]
    for i, first, second in ((1, KOSME, BEYOND), (2, KOSME + BEYOND[:1], BEYOND[1:])):
        yield (f"6.4.{i}", "refused before its last fragment",
               [([frame(TEXT, first, 0)], []), ([frame(CONTINUATION, second, 0)], [broken(1007)])])
    whole = quick(TEXT, KOSME + BEYOND + b"edited")
    for i, cut in ((3, 6 + len(KOSME)), (4, 7 + len(KOSME))):
        yield (f"6.4.{i}", "refused before the end of its frame",
               [([whole[:cut]], []), ([whole[cut:10 + len(KOSME)]], [broken(1007)])])
    for part, sequences in UTF8.items():
        for i, (text, is_sound) in enumerate(sequences, 1):
            data = bytes.fromhex(text)
            yield f"6.{part}.{i}", text, [([frame(TEXT, data)], [(TEXT, data) if is_sound else broken(1007)])]


def section_7():
    hello, bye = frame(TEXT, b"Hello World!"), close_frame(1000)
    yield "7.1.1", "a text and a close", [([hello + bye], [(TEXT, b"Hello World!"), broken(1000)])]
    yield "7.1.2", "two closes", [([bye + bye], [broken(1000)])]
    yield "7.1.3", "a ping after the close", [([bye + frame(PING, b"")], [broken(1000)])]
    yield "7.1.4", "a text after the close", [([bye + hello], [broken(1000)])]
    yield ("7.1.5", "a close within a text",
           [([frame(TEXT, b"fragment1", 0) + bye + frame(CONTINUATION, b"fragment2")], [broken(1000)])])
    long = b"BAsd7&jh23" * 26215
    yield ("7.1.6", "256 KiB, a text and a close",
           [([quick(TEXT, long)], [(TEXT, long)]), ([hello + bye], [(TEXT, b"Hello World!"), broken(1000)])])
    yield "7.3.1", "no code", [([frame(CLOSE, b"")], [(CLOSE, None)])]
    yield "7.3.2", "half a code", [([frame(CLOSE, b"a")], [broken(1002)])]
    yield "7.3.3", "a code", [([bye], [broken(1000)])]
    yield "7.3.4", "a code and a reason", [([close_frame(1000, b"Hello World!")], [broken(1000)])]
    yield "7.3.5", "a reason of 123 bytes", [([close_frame(1000, b"*" * 123)], [broken(1000)])]
    yield "7.3.6", "a reason of 124 bytes", [([close_frame(1000, b"*" * 124)], [broken(1002)])]
    yield ("7.5.1", "a reason that is no UTF-8",
           [([close_frame(1000, KOSME + SURROGATE + b"edited")], [broken(1007)])])
    good = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
    for i, code in enumerate(good, 1):
        yield f"7.7.{i}", f"code {code}", [([close_frame(code)], [broken(code)])]
    for i, code in enumerate((0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999), 1):
        yield f"7.9.{i}", f"code {code}", [([close_frame(code)], [broken(1002)])]
    for i, code in enumerate((5000, 65535), 1):
        yield f"7.13.{i}", f"code {code}", [([close_frame(code)], [broken(1002)])]


def section_9():
    for part, opcode, byte in ((0, TEXT, b"*"), (1, BINARY, b"\xfe")):
        for i, size in enumerate((MIB // 16, MIB // 4, MIB, 4 * MIB, 8 * MIB, 16 * MIB), 1):
            data = byte * size
            yield f"9.{1 + part}.{i}", f"{size} bytes", [([quick(opcode, data)], [(opcode, data)])]
        for i, size in enumerate((64, 256, 1024, 4096, 16384, 65536, 262144, MIB, 4 * MIB), 1):
            data = byte * (4 * MIB)
            yield (f"9.{3 + part}.{i}", f"4 MiB in frames of {size} bytes",
                   [([b"".join(fragments(opcode, data, size))], [(opcode, data)])])
        for i, size in enumerate((64, 128, 256, 512, 1024, 2048), 1):
            data = byte * MIB
            yield (f"9.{5 + part}.{i}", f"1 MiB in pieces of {size} bytes",
                   [(pieces(quick(opcode, data), size), [(opcode, data)])])
        for i, size in enumerate((0, 16, 64, 256, 1024, 4096), 1):
            data = byte * size
            yield (f"9.{7 + part}.{i}", f"1000 times {size} bytes",
                   [([frame(opcode, data)], [(opcode, data)])] * 1000)


def section_10():
    data = b"*" * 65536
    yield "10.1.1", "64 KiB in frames of 1300 bytes", [([b"".join(fragments(TEXT, data, 1300))], [(TEXT, data)])]


def cases():
    for section in (section_1, section_2, section_3, section_4, section_5, section_6, section_7, section_9, section_10):
        for case in section():
            yield Case(*case)


# ---- who is asked ------------------------------------------------------------------------------------


class Echo:
    name = "echo-server"

    def __init__(self, server):
        self.port = server.port

    def open(self, _):
        return Peer(self.port).upgrade()

    def asks(self, _):
        return True

    def heard(self, steps):
        return steps


class Nearby:
    """nearbyd answers a message that it cannot read with one of its own, and refuses the kind that its
    subprotocol does not speak, and more than 64 KiB."""

    def __init__(self, daemon, name, opcode):
        self.daemon, self.name, self.opcode = daemon, name, opcode

    def open(self, number):
        peer = Peer(self.daemon.port).upgrade("/v1/ws", headers=(
            f"Authorization: Bearer {token(number)}\r\nSec-WebSocket-Protocol: {self.name}\r\n"))
        opcode, _ = peer.take_frame()
        assert opcode == self.opcode, "the welcome"
        return peer

    def asks(self, case):
        """Not what is about echoes: a session has so many errors a minute. Of what is too big one of each."""
        return not case.number.startswith(("9.7", "9.8")) and sum(
            len(piece) for sent, _ in case.steps for piece in sent) < 300000

    def heard(self, steps):
        kept = []
        for sent, wanted in steps:
            kept.append((sent, []))
            for opcode, payload in wanted:
                if opcode in (TEXT, BINARY):
                    code = 1009 if len(payload) > 65536 else 1003 if opcode != self.opcode else None
                    if code is not None:
                        kept[-1][1].append(broken(code))
                        return kept
                    payload = None
                kept[-1][1].append((opcode, payload))
        return kept


def check_heard(peer, opcode, payload):
    got, data = peer.take_frame()
    if got == CLOSE:
        data = struct.unpack(">H", data[:2])[0] if data else None
    is_same = got == opcode and (data == payload or (payload is None and opcode != CLOSE)
                                 or (opcode == CLOSE and payload is None and data == 1000))
    assert is_same, f"heard {got} {data if got == CLOSE else data[:60]}, not {opcode} " \
                    f"{payload if opcode == CLOSE or payload is None else payload[:60]}"
    return got == CLOSE


def judge(target, case, user):
    with target.open(user) as peer:
        is_closed = False
        for sent, wanted in target.heard(case.steps):
            # What is said counts: the server may have broken off, rightly, before all was sent.
            with contextlib.suppress(ConnectionError):
                for piece in sent:
                    peer.send(piece)
            for opcode, payload in wanted:
                is_closed = check_heard(peer, opcode, payload)
        # The answer to a Close, which is too late where the server had to break off; or a clean end.
        with contextlib.suppress(ConnectionError):
            peer.send(close_frame(1000))
        if not is_closed:
            check_heard(peer, CLOSE, 1000)
        assert peer.rest() == b"", "something follows the close"


def conforms(target):
    counts = {section: [0, 0] for section in SECTIONS}
    failed = []
    for user, case in enumerate(cases(), 1):
        if not target.asks(case):
            continue
        count = counts[int(case.number.split(".")[0])]
        count[1] += 1
        try:
            judge(target, case, user)
            count[0] += 1
        except (AssertionError, ConnectionError, TimeoutError) as error:
            failed.append(f"{case.number} ({case.what}): {error!r}")
    for section, (good, all_of_them) in counts.items():
        print(f"{target.name}: section {section}, {SECTIONS[section]}: {good} of {all_of_them}", flush=True)
    assert not failed, "\n".join([target.name] + failed)


def the_echo_server_conforms():
    with Server(cores=2) as server:
        conforms(Echo(server))
        server.wait_until("websockets", 0)


def nearbyd_conforms_in_json():
    with Daemon() as daemon:
        conforms(Nearby(daemon, "nearby.v1.json", TEXT))


def nearbyd_conforms_in_protobuf():
    with Daemon() as daemon:
        conforms(Nearby(daemon, "nearby.v1.protobuf", BINARY))


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    run(the_echo_server_conforms, nearbyd_conforms_in_json, nearbyd_conforms_in_protobuf)
