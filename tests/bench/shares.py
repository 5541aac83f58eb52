#!/usr/bin/python3 -B
"""
Owns: where the CPU time of nearbyd goes under load, by parts, from the samples of perf.
Invariant: each sample counts once, for the first of PARTS that its stack belongs to.
Does not know: what a part should take.

usage: shares.py [--interval-ms=N] [--rate=N] [--sessions=N] [--seconds=N]

Needs perf, root, and a build with frame pointers:
  ../configure CFLAGS='-O2 -g -fno-omit-frame-pointer -mno-omit-leaf-frame-pointer'
Runs in that build directory, or in the one that TEST_BUILD names. The server has the first CPU, the
load the others. PROFILE.md beside this file holds what it said.
"""
import collections
import os
import subprocess
import sys
import tempfile
import threading

os.environ.setdefault("TEST_BUILD", os.getcwd())

from contender import Contender
from load import Load, Town

DEFAULTS = {"interval-ms": 0, "rate": 40000, "sessions": 5000, "seconds": 5}
SEND = {"tcp_sendmsg", "tcp_sendmsg_locked"}
# The kernel runs the receiver's half of a loopback send on the sender's CPU time.
ARRIVAL = {"net_rx_action"}
# A part is the first of which every group has a function, or a library, in the stack.
PARTS = [
    ("store threads", {"users_thread", "writer_thread", "reader_thread", "block_encode",
                       "window_gather", "points_sort"}),
    ("kernel: send, the client's thread is woken", SEND, ARRIVAL, {"sock_def_readable"}),
    ("kernel: send, the client's side receives", SEND, ARRIVAL, {"tcp_v4_rcv", "tcp_v4_early_demux"}),
    ("kernel: send, loopback", SEND, ARRIVAL),
    ("kernel: send, segment and IP", SEND, {"__tcp_transmit_skb"}),
    ("kernel: send, the rest of TCP", SEND),
    ("kernel: send, io_uring and socket", {"io_send", "io_sendmsg_prep", "io_send_prep"}),
    ("kernel: receive, TCP", {"tcp_recvmsg"}),
    ("kernel: receive, io_uring and socket", {"io_recv"}),
    ("kernel: receive, finding out that there is something", {"__io_run_local_work"}),
    ("kernel: submitting", {"io_submit_sqes"}),
    ("kernel: sleeping and waking", {"schedule", "io_cqring_wait"}),
    ("kernel: the rest", {"[kernel.kallsyms]"}),
    ("engine: a location to its followers", {"engine_step"}),
    ("engine: what a frame says", {"engine_flush"}),
    ("engine: geometry", {"libm.so"}),
    ("JSON written", {"json_encode"}),
    ("JSON read", {"json_decode", "json_location_read"}),
    ("history: handed to the store", {"store_append"}),
    ("WebSocket in", {"websocket_feed", "libwslay.so"}),
    ("frames out", {"net_frame_begin", "net_frame_commit", "connection_flush", "connection_sent"}),
    ("clocks", {"[vdso]"}),
    ("app", {"app_turn", "session_message"}),
    ("connections and rings", {"net_turn"}),
]


def options_of(arguments):
    options = dict(DEFAULTS)
    for argument in arguments:
        name, _, value = argument.removeprefix("--").partition("=")
        if name not in DEFAULTS or not value.isdecimal():
            print(__doc__.partition("usage: ")[2], file=sys.stderr, end="")
            sys.exit(2)
        options[name] = int(value)
    return options


def stacks(path):
    """Sets of what is in a stack, and its innermost function."""
    script = subprocess.run(["perf", "script", "-i", path, "-F", "ip,sym,dso", "--no-inline"],
                            capture_output=True, text=True, errors="replace", check=True).stdout
    for block in script.split("\n\n"):
        frames = [line.split() for line in block.splitlines() if len(line.split()) >= 3]
        if not frames:
            continue
        names = {frame[1].partition("+")[0] for frame in frames}
        inner_library = os.path.basename(frames[0][-1].strip("()"))
        names.add(inner_library.partition(".so")[0] + ".so" if ".so" in inner_library else inner_library)
        yield names, frames[0][1].partition("+")[0]


def part_of(names):
    for part, *groups in PARTS:
        if all(names & group for group in groups):
            return part
    return "the rest"


def sample(pid, path, delay_s, seconds):
    """Begins when the load has settled."""
    subprocess.run(["sleep", str(delay_s)], check=True)
    subprocess.run(["perf", "record", "-q", "-e", "cpu-clock", "-F", "2999", "-g", "-o", path, "-p", str(pid),
                    "--", "sleep", str(seconds)], check=True, stderr=subprocess.DEVNULL)


def run(options, path):
    interval_s = options["interval-ms"] / 1000
    # Long enough for joining, whatever that takes.
    for_s, warm_up_s = options["seconds"] + 8, 1 + interval_s
    town = Town(options["sessions"])
    with Contender("nearbyd", town=town, cpus=[0], interval_ms=options["interval-ms"]) as server:
        load = Load(server, town, sorted(os.sched_getaffinity(0))[1:], options["interval-ms"])
        sampling = threading.Thread(target=sample, args=(server.pid, path, 5 + warm_up_s, options["seconds"]))
        sampling.start()
        found = load.run(f"--rate={options['rate']}", f"--for={for_s}s",
                         f"--warm-up={round(warm_up_s * 1000)}ms",
                         f"--linger={round(1000 + options['interval-ms'])}ms")
        sampling.join()
    return found["steps"][0]


def main():
    options = options_of(sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="nearby-bench-profile-") as folder:
        path = os.path.join(folder, "perf.data")
        step = run(options, path)
        parts, inner, count = collections.Counter(), collections.defaultdict(collections.Counter), 0
        for names, function in stacks(path):
            part = part_of(names)
            parts[part] += 1
            inner[part][function] += 1
            count += 1
    cpu_us = step["server_cpu_s"] * 1e6
    print(f"interval {options['interval-ms']} ms, {step['sent_per_s']:.0f} locations/s of "
          f"{options['sessions']} sessions, {cpu_us / 1e6 / step['seconds']:.2f} of a CPU, p99 "
          f"{step['latency_us']['p99'] / 1000:.0f} ms")
    print(f"CPU-us: {1e6 / step['sent_per_cpu_s']:.2f} a location, "
          f"{1e6 / step['entries_per_cpu_s']:.2f} a delivery, {1e6 / step['covered_per_cpu_s']:.2f} a pair")
    print(f"{count} samples\n\n| part | of the CPU time | most of it in |\n|---|---|---|")
    for part, samples in parts.most_common():
        most = ", ".join(f"`{name}` {100 * n / count:.1f}" for name, n in inner[part].most_common(3))
        print(f"| {part} | {100 * samples / count:.1f} % | {most} |")
    kernel = sum(samples for part, samples in parts.items() if part.startswith("kernel"))
    print(f"| **kernel in all** | {100 * kernel / count:.1f} % | |")


if __name__ == "__main__":
    main()
