import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner.default import murmur2 as kafka_murmur2

from schemas.placement import murmur2, partition_of


@pytest.mark.parametrize(
    ("data", "hashed"),
    # As the Java client's own tests have them.
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536),
     (b"a-little-bit-longer-string", -1486304829), (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
     (b"abc", 479470107)],
)  # fmt: skip
def test_it_is_the_hash_of_the_java_client(data: bytes, hashed: int) -> None:
    assert murmur2(data) == hashed % 2**32


@given(st.binary(max_size=40))
def test_it_is_the_hash_of_the_python_client(data: bytes) -> None:
    assert murmur2(data) == kafka_murmur2(data)


def test_the_sign_of_the_hash_does_not_count() -> None:
    assert partition_of(b"21", 7) == (-973932308 % 2**31) % 7 == 3
