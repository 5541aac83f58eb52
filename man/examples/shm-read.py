"""shm-read.py INSTANCE USER ...: latest locations, read without the library."""
import mmap
import sys

MASK = (1 << 64) - 1
PARTITIONS, TABLE = 256, 2252800 // 8          # in words of 8 bytes
MAGIC = int.from_bytes(b"nearbysh", "little")


def user_hash(user):
    x = (user + 0x9E3779B97F4A7C15) & MASK
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ x >> 27) * 0x94D049BB133111EB & MASK
    return x ^ x >> 31


def read_slot(words, at, key):
    """The three words of the version that holds; None: another's; False: an empty slot."""
    meta = words[at + 1]
    while True:
        found = words[at]
        if found == 0:
            return False
        if found != key or not meta >> 32 & 1:
            return None
        first = at + 2 + 3 * (meta & 1)
        version = [words[first], words[first + 1], words[first + 2]]
        again = words[at + 1]
        if again == meta:
            return version
        meta = again


def locate(words, user):
    slots, hashed = words[4], user_hash(user)
    partition, start = hashed % PARTITIONS, (hashed >> 32) * slots >> 32
    moves_at = 8192 // 8 + 8 * partition
    while True:
        moves = words[moves_at]
        for looked in range(slots):
            slot = partition * slots + (start + looked) % slots
            version = read_slot(words, TABLE + 8 * slot, user + 1)
            if version:
                return version
            if version is False:
                break
        if words[moves_at] == moves:
            return None


def signed(value, bits):
    return value - (1 << bits) if value >> bits - 1 else value


def main(instance, *users):
    with open("/dev/shm/nearby." + instance, "rb") as file:
        words = memoryview(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)).cast("Q")
    if words[0] != MAGIC or words[1] != 3:
        sys.exit("no segment of version 3")
    for user in map(int, users):
        version = locate(words, user)
        if version is None:
            print(user, "-")
            continue
        place, client_ms, receipt = version
        print(user, signed(place & 0xFFFFFFFF, 32), signed(place >> 32, 32),
              signed(client_ms, 64), receipt & (1 << 56) - 1, receipt >> 56)


main(*sys.argv[1:])
