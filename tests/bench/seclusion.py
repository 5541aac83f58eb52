"""
Owns: a network of the caller's own, with nothing in it but loopback.
Invariant: what is set holds in there alone, and goes with the process and its children.
Does not know: what is measured.
"""
import ctypes
import fcntl
import os
import socket
import struct

CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS, IFF_UP, IFF_LOOPBACK, IFF_RUNNING = 0x8914, 0x1, 0x8, 0x40
TCP = "/proc/sys/net/ipv4/"
# What every Linux has, and any network may choose.
CONGESTION = "reno"


def seclude(sockets):
    """
    The process, of one thread, and what it starts from now on have a network whose table of connections has
    a place for each of so many sockets, and the simplest congestion control. What holds now, in words.
    """
    try:
        enter(1 << (sockets - 1).bit_length())
    except OSError as error:
        return f"in the network of the machine: {error.strerror}"
    return (f"a network of its own: {read('tcp_ehash_entries')} places in the table of connections, "
            f"{read('tcp_congestion_control')}")


def read(name):
    with open(TCP + name, encoding="ascii") as file:
        return file.read().strip()


def write(name, value):
    with open(TCP + name, "w", encoding="ascii") as file:
        file.write(str(value))


def enter(places):
    # A new network gets a table of the size that its parent says. The file stays the parent's.
    before = read("tcp_child_ehash_entries")
    with open(TCP + "tcp_child_ehash_entries", "w", encoding="ascii", buffering=1) as file:
        file.write(f"{places}\n")
        left = ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET)
        error = ctypes.get_errno()
        file.seek(0)
        file.write(f"{before}\n")
    if left != 0:
        raise OSError(error, os.strerror(error))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags))
    write("tcp_congestion_control", CONGESTION)
