"""Long files sealed in pieces: what goes in comes out, and nothing else ever does."""

import io
import tracemalloc

import pytest

from paquebot.errors import Malformed
from paquebot.vault.stream import PIECE_BYTES, PLAIN, Reader, Writer

KEY = bytes(range(32))


def sealed(data: bytes, key: bytes = KEY, head: bytes = b"head") -> bytes:
    target = io.BytesIO()
    writer = Writer(target, key, head)
    for start in range(0, len(data), 1_000):
        writer.write(data[start : start + 1_000])
    writer.close()
    return target.getvalue()


def opened(data: bytes, key: bytes = KEY, head: bytes = b"head") -> bytes:
    reader = Reader(io.BytesIO(data), key, head)
    found = reader.read(1 << 30)
    reader.finish()
    return found


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES, 200_001])
@pytest.mark.parametrize("key", [KEY, PLAIN])
def test_what_goes_in_comes_out(size, key):
    data = bytes(n % 251 for n in range(size))

    assert opened(sealed(data, key), key) == data


def test_any_cut_is_noticed():
    whole = sealed(bytes(2 * PIECE_BYTES + 100))

    for end in (0, 1, 16, 17, PIECE_BYTES, PIECE_BYTES + 16, 2 * (PIECE_BYTES + 16), len(whole) - 1):
        with pytest.raises(Malformed):
            opened(whole[:end])


def test_any_change_is_noticed():
    whole = sealed(bytes(PIECE_BYTES + 100))

    for place in (0, 100, PIECE_BYTES + 15, PIECE_BYTES + 16, len(whole) - 1):
        changed = bytearray(whole)
        changed[place] ^= 1
        with pytest.raises(Malformed):
            opened(bytes(changed))


def test_pieces_keep_their_places_and_their_number():
    size = PIECE_BYTES + 16
    whole = sealed(bytes(3 * PIECE_BYTES) + b"end")
    one, two, three, last = (whole[n : n + size] for n in range(0, len(whole), size))

    for forged in (
        two + one + three + last,
        one + three + last,
        one + one + two + three + last,
        whole + last,
        whole + b"x",
    ):
        with pytest.raises(Malformed):
            opened(forged)


def test_another_key_or_another_head_opens_nothing():
    with pytest.raises(Malformed):
        opened(sealed(b"tea"), PLAIN)
    with pytest.raises(Malformed):
        opened(sealed(b"tea"), head=b"other")


def test_lines_are_read_up_to_a_bound():
    reader = Reader(io.BytesIO(sealed(b"one\ntwo" + bytes(5_000))), KEY, b"head")

    assert reader.readline(100) == b"one"
    with pytest.raises(Malformed):
        reader.readline(100)
    with pytest.raises(Malformed):
        Reader(io.BytesIO(sealed(b"no end")), KEY, b"head").readline(100)


def test_what_was_not_read_is_noticed():
    reader = Reader(io.BytesIO(sealed(b"one\ntwo")), KEY, b"head")
    reader.readline(10)

    with pytest.raises(Malformed, match="follows"):
        reader.finish()


def test_a_long_file_takes_little_memory(tmp_path):
    path = tmp_path / "long"
    tracemalloc.start()
    with path.open("wb") as file:
        writer = Writer(file, KEY, b"head")
        for _ in range(200):
            writer.write(bytes(100_000))
        writer.close()
    with path.open("rb") as file:
        reader = Reader(file, KEY, b"head")
        total = 0
        while part := reader.read(100_000):
            total += len(part)
    assert total == 20_000_000
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()
