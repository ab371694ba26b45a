"""Where Kafka's clients put a record: the partition that the Java client's murmur2 hash of its key gives.

All clients place so but librdkafka's and those on top of it, which have to be asked (`partitioner=murmur2_random`).
"""

import struct
from typing import Final

_SEED: Final = 0x9747B28C
_FACTOR: Final = 0x5BD1E995
_32_BITS: Final = 0xFFFFFFFF
_31_BITS: Final = 0x7FFFFFFF


def murmur2(data: bytes) -> int:
    """MurmurHash2 with the Java client's seed, 0 to 2**32 - 1."""
    whole = len(data) & ~3
    hashed = _SEED ^ len(data)
    for (word,) in struct.iter_unpack("<I", data[:whole]):
        mixed = word * _FACTOR & _32_BITS
        mixed = (mixed ^ mixed >> 24) * _FACTOR & _32_BITS
        hashed = (hashed * _FACTOR & _32_BITS) ^ mixed
    if len(data) > whole:
        hashed = (hashed ^ int.from_bytes(data[whole:], "little")) * _FACTOR & _32_BITS
    hashed = (hashed ^ hashed >> 13) * _FACTOR & _32_BITS
    return hashed ^ hashed >> 15


def partition_of(key: bytes, partitions: int) -> int:
    """Partition in which a record of this key stands."""
    return (murmur2(key) & _31_BITS) % partitions
