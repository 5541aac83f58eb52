"""shm-read.py INSTANCE USER ...: latest locations, read without the library."""
import mmap
import sys

MASK = (1 << 64) - 1
PARTITIONS, TAGS = 256, 2252800 // 8           # in words of 8 bytes
MAGIC = int.from_bytes(b"nearbysh", "little")


def user_hash(user):
    x = (user + 0x9E3779B97F4A7C15) & MASK
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ x >> 27) * 0x94D049BB133111EB & MASK
    return x ^ x >> 31


def read_slot(words, at, key):
    """The three words of the version that holds, or None when the slot is not the user's."""
    meta = words[at + 1]
    while True:
        if words[at] != key or not meta >> 32 & 1:
            return None
        first = at + 2 + 3 * (meta & 1)
        version = [words[first], words[first + 1], words[first + 2]]
        again = words[at + 1]
        if again == meta:
            return version
        meta = again


def probe(words, user):
    """The user's version, from the first bucket to the first that has an empty slot."""
    buckets, hashed = words[4] // 8, user_hash(user)
    base, first = hashed % PARTITIONS * buckets, (hashed >> 32) * buckets >> 32
    slots = TAGS + PARTITIONS * buckets
    for looked in range(buckets):
        bucket = base + (first + looked) % buckets
        tags = words[TAGS + bucket].to_bytes(8, "little")
        for slot, tag in enumerate(tags):
            if tag == 128 + (hashed >> 8) % 128:
                version = read_slot(words, slots + 8 * (8 * bucket + slot), user + 1)
                if version:
                    return version
        if 0 in tags:
            return None


def locate(words, user):
    moves_at = 8192 // 8 + 8 * (user_hash(user) % PARTITIONS)
    while True:
        moves = words[moves_at]
        version = probe(words, user)
        if version or words[moves_at] == moves:
            return version


def signed(value, bits):
    return value - (1 << bits) if value >> bits - 1 else value


def main(instance, *users):
    with open("/dev/shm/nearby." + instance, "rb") as file:
        words = memoryview(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)).cast("Q")
    if words[0] != MAGIC or words[1] != 4:
        sys.exit("no segment of version 4")
    for user in map(int, users):
        version = locate(words, user)
        if version is None:
            print(user, "-")
            continue
        place, client_ms, receipt = version
        print(user, signed(place & 0xFFFFFFFF, 32), signed(place >> 32, 32),
              signed(client_ms, 64), receipt & (1 << 56) - 1, receipt >> 56)


main(*sys.argv[1:])
