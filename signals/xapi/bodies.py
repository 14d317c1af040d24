"""The stored form of a statement's bytes: two bytes of header, compressed with a dictionary, encrypted.

The header is the dictionary's number (0: none) and the major version of xAPI it came in by. Later dictionaries get
the next number and stand beside this one, so old bodies stay readable.
"""

import threading
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import zstandard

from consent.crypto import decrypt, encrypt

CURRENT = 1
DICTIONARIES = {1: Path(__file__).with_name("dictionary-1.zdict")}
IN_COLD_STORE = b"\x02"  # no token of consent.crypto begins so
LARGEST = 64 * 1024 * 1024  # refuses to unpack more than any statement can be


class Body(NamedTuple):
    raw: bytes
    major: int  # 1 for xAPI 1.0.x, 2 for 2.0


# A compressor may not be used by two threads at once.
_of_thread = threading.local()


@lru_cache(maxsize=8)
def _dictionary(number: int) -> zstandard.ZstdCompressionDict:
    dictionary = zstandard.ZstdCompressionDict(DICTIONARIES[number].read_bytes())
    dictionary.precompute_compress(level=3)
    return dictionary


def seal(raw: bytes, *, major: int = 1) -> bytes:
    """What is stored for these bytes."""
    compressor = getattr(_of_thread, "compressor", None)
    if compressor is None:
        compressor = _of_thread.compressor = zstandard.ZstdCompressor(
            dict_data=_dictionary(CURRENT), write_checksum=False, write_dict_id=False
        )
    return encrypt(bytes((CURRENT, major)) + compressor.compress(raw))


def unseal(stored: bytes) -> Body:
    """The bytes as they were sent."""
    if stored[:1] == IN_COLD_STORE:
        from signals.archive import raw  # a note stands for the body: the cold store has it

        major, sent = raw.read(bytes(stored))
        return Body(sent, major)
    plain = decrypt(bytes(stored))
    number, major = plain[0], plain[1]
    decompressors = getattr(_of_thread, "decompressors", None)
    if decompressors is None:
        decompressors = _of_thread.decompressors = {}
    decompressor = decompressors.get(number)
    if decompressor is None:
        decompressor = decompressors[number] = zstandard.ZstdDecompressor(
            dict_data=_dictionary(number) if number else None
        )
    return Body(decompressor.decompress(plain[2:], max_output_size=LARGEST), major)


_decode = msgspec.json.Decoder().decode


def decode(stored: bytes) -> dict[str, Any]:
    """The statement as it was sent, as a dict."""
    return _decode(unseal(stored).raw)
