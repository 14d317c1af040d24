"""The stored form of a statement's bytes: two bytes of header, compressed with a dictionary, encrypted.

The header is the dictionary's number (0: none) and the major version of xAPI it came in by. Dictionaries below 16 come
with the code and never change; those from 16 on were learned here (``signals.dictionaries``) and lie in the database.
"""

import threading
import time
from base64 import b64decode
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import zstandard

from consent.crypto import decrypt, encrypt, encrypt_many

FIRST = 1  # used until this installation has learned its own
DICTIONARIES = {1: Path(__file__).with_name("dictionary-1.zdict")}
IN_COLD_STORE = b"\x02"  # no token of consent.crypto begins so
LEVEL = 3
LARGEST = 64 * 1024 * 1024  # refuses to unpack more than any statement can be
LOOKED_UP_S = 60.0  # how long a process may go on with the dictionary before the newest


class Body(NamedTuple):
    raw: bytes
    major: int  # 1 for xAPI 1.0.x, 2 for 2.0


# A compressor may not be used by two threads at once.
_of_thread = threading.local()
_current: list[tuple[float, int]] = []  # until when, and which: the dictionary new bodies are compressed with


@lru_cache(maxsize=256)
def _dictionary(number: int) -> zstandard.ZstdCompressionDict:
    if number in DICTIONARIES:
        content = DICTIONARIES[number].read_bytes()
    else:
        from signals.models import Dictionary  # the models of this app are compressed by this module

        content = b64decode(Dictionary.objects.get(pk=number).content)
    dictionary = zstandard.ZstdCompressionDict(content)
    dictionary.precompute_compress(level=LEVEL)
    return dictionary


def current() -> int:
    """The number of the newest dictionary in use."""
    clock = time.monotonic()
    if _current and _current[0][0] > clock:
        return _current[0][1]
    from signals.models import Dictionary

    newest = (
        Dictionary.objects.filter(in_use=True).order_by("-number").values_list("number", flat=True).first()
    )
    _current[:] = [(clock + LOOKED_UP_S, newest or FIRST)]
    return newest or FIRST


def forget_current() -> None:
    """Makes this process ask again which dictionary is the newest."""
    _current.clear()


def forget() -> None:
    """Makes this process look up every dictionary again."""
    forget_current()
    _dictionary.cache_clear()
    vars(_of_thread).clear()


def compressor_with(dictionary: zstandard.ZstdCompressionDict) -> zstandard.ZstdCompressor:
    """A compressor that spends no bytes on what the header says already."""
    return zstandard.ZstdCompressor(
        level=LEVEL, dict_data=dictionary, write_checksum=False, write_dict_id=False
    )


def _compressor(number: int) -> zstandard.ZstdCompressor:
    held: tuple[int, zstandard.ZstdCompressor] | None = getattr(_of_thread, "compressor", None)
    if held is None or held[0] != number:
        held = _of_thread.compressor = (number, compressor_with(_dictionary(number)))
    return held[1]


def compress(raw: bytes, number: int) -> bytes:
    """The bytes compressed with the dictionary of this number."""
    return _compressor(number).compress(raw)


def seal(raw: bytes, *, major: int = 1) -> bytes:
    """What is stored for these bytes."""
    number = current()
    return encrypt(bytes((number, major)) + compress(raw, number))


def seal_many(raws: Sequence[bytes], *, major: int = 1) -> list[bytes]:
    """What is stored for each of these."""
    number = current()
    head = bytes((number, major))
    pack = _compressor(number).compress
    return encrypt_many([head + pack(raw) for raw in raws])


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
