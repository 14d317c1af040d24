"""Names and addresses turned into keyed bits and keys, so that likeness can be computed without anybody reading them.

Each text becomes a Bloom filter of its bigrams (Schnell, Bachteler, Reiher 2009, "Privacy-preserving record linkage
using Bloom filters", BMC Medical Informatics and Decision Making 9:41): two filters overlap as much as the texts do.
Hardened as later attacks taught: the positions of a bigram come from a keyed hash and not from two combined ones
(Niedermeyer, Steinmetzer, Kroll, Schnell 2014); each field has a key of its own; and every run salts all keys with
fresh random bytes that are never stored, so what one run computed tells nothing about another. Filters live in the
memory of one run only. What is stored are blocking keys: keyed hashes of whole, coarsened values.
"""

import hashlib
import os
import re
import unicodedata
from datetime import date
from itertools import permutations
from typing import NamedTuple

from consent.crypto import keyed_hash, keyed_hash64

BITS = 1024
PER_BIGRAM = 10  # positions a bigram sets: a name of 14 bigrams fills an eighth of the filter
SHORTEST = 2  # letters; anything shorter says nothing

_LETTERS = re.compile(r"[^\W\d_]+")
# What Unicode's decomposition leaves whole.
_PLAIN = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"}
)
_SOUNDS = {
    letter: digit
    for digit, letters in {"1": "bfpvw", "2": "cgjkqsxz", "3": "dt", "4": "l", "5": "mn", "6": "r"}.items()
    for letter in letters
}


class Person(NamedTuple):
    """What is known of somebody, in the clear; never leaves the memory of the process that encodes it."""

    name: str = ""
    address: str = ""  # an e-mail address or the name of an account
    number: str = ""  # an employee number
    started_on: date | None = None
    unit: str = ""
    job_role: str = ""


class Encoded(NamedTuple):
    """The same as keyed bits and keys; None where nothing is known. Good for one run only."""

    name: bytes | None
    name_key: int | None  # stored and counted: how common the name is
    local: bytes | None
    number: int | None
    started: bytes | None
    unit: int | None
    job_role: int | None


def letters(text: str) -> list[str]:
    """The words of a text in plain small letters: "Ångström, Zoë" → angstrom, zoe."""
    plain = unicodedata.normalize("NFKD", text.casefold().translate(_PLAIN))
    return _LETTERS.findall("".join(one for one in plain if not unicodedata.combining(one)))


def local_part(address: str) -> str:
    """What stands before the @ of an address; all of an account's name."""
    return address.removeprefix("mailto:").partition("@")[0]


def names_of(person: Person) -> list[str]:
    """The words of the name; where no name is known, those the address is made of (ann.lee@…)."""
    known = letters(person.name)
    if known:
        return known
    made = [word for word in letters(local_part(person.address)) if len(word) >= SHORTEST]
    return made if len(made) >= 2 else []


def sound(word: str) -> str:
    """How a word sounds, roughly: the Soundex of Russell (US patent 1,261,167), w counting with f and v."""
    code, last = word[:1], _SOUNDS.get(word[:1], "")
    for letter in word[1:]:
        digit = _SOUNDS.get(letter, "")
        if digit and digit != last:
            code += digit
        if letter != "h":
            last = digit
    return code[:4].ljust(4, "0")


def fingerprint(person: Person) -> bytes:
    """Changes when, and only when, something that is compared has changed."""
    parts = (
        " ".join(sorted(letters(person.name))),
        local_part(person.address).casefold(),
        person.number.strip().casefold(),
        person.started_on.isoformat() if person.started_on else "",
        person.unit,
        person.job_role,
    )
    return keyed_hash("link fingerprint", "\0".join(parts))


def name_key(person: Person) -> int | None:
    """The keyed hash of the whole name, whatever the order of its words; what an address is made of is no name."""
    names = letters(person.name)
    return keyed_hash64("link name", " ".join(sorted(names))) if len(names) >= 2 else None


def blocks(person: Person) -> list[int]:
    """Keyed hashes of coarsened values: two records are compared if they share one. Sorted, without repetition."""
    keys: set[str] = set()
    names = names_of(person)
    ends = {names[0], names[-1]} if names else set()
    for one, other in permutations(sorted(ends), 2):
        keys.add(f"sound {sound(one)} {other[:1]}")
        # The ways in which local parts are made of names.
        keys |= {f"local {one}{other}", f"local {one[:1]}{other}", f"local {one}{other[:1]}"}
    if len(ends) == 2:
        keys.add("start " + " ".join(sorted(word[:3] for word in ends)))
    local = "".join(letters(local_part(person.address)))
    if len(local) > SHORTEST:
        keys.add(f"local {local}")
    for number in (person.number, local_part(person.address)):
        if any(one.isdigit() for one in number):
            keys.add(f"number {number.strip().casefold()}")
    return sorted(keyed_hash64("link block", key) for key in keys)


class Encoder:
    """Encodes for one run: its salt is forgotten with it."""

    def __init__(self) -> None:
        self._salt = os.urandom(32)
        self._keys: dict[str, bytes] = {}

    def encode(self, person: Person) -> Encoded:
        """What may be compared within this run."""
        names = names_of(person)
        local = "".join(letters(local_part(person.address)))
        number = person.number or (
            local_part(person.address) if any(c.isdigit() for c in local_part(person.address)) else ""
        )
        return Encoded(
            name=self._filter("name", [gram for word in names for gram in bigrams(word)]),
            name_key=name_key(person),
            local=self._filter("local", bigrams(local)) if len(local) > SHORTEST else None,
            number=self._key("number", number.strip().casefold()),
            started=self._filter("started", _date_parts(person.started_on)) if person.started_on else None,
            unit=self._key("unit", person.unit),
            job_role=self._key("job_role", person.job_role),
        )

    def _field_key(self, field: str) -> bytes:
        key = self._keys.get(field)
        if key is None:
            # From the index key too: the salt alone would make the filters as weak as the salt is well kept.
            secret = keyed_hash("link encoding", f"{field}:{self._salt.hex()}")
            key = self._keys[field] = hashlib.blake2b(self._salt, key=secret, digest_size=32).digest()
        return key

    def _filter(self, field: str, grams: list[str]) -> bytes | None:
        if not grams:
            return None
        key, bits = self._field_key(field), 0
        for gram in set(grams):
            digest = hashlib.blake2b(gram.encode(), key=key, digest_size=2 * PER_BIGRAM).digest()
            for place in range(0, 2 * PER_BIGRAM, 2):
                bits |= 1 << (int.from_bytes(digest[place : place + 2], "big") % BITS)
        return bits.to_bytes(BITS // 8, "big")

    def _key(self, field: str, value: str) -> int | None:
        if not value:
            return None
        digest = hashlib.blake2b(value.encode(), key=self._field_key(field), digest_size=8).digest()
        return int.from_bytes(digest, "big", signed=True)


def bigrams(word: str) -> list[str]:
    """Its pairs of neighbouring letters, the ends marked: "ann" → _a an nn n_."""
    padded = f"_{word}_"
    return [padded[place : place + 2] for place in range(len(padded) - 1)] if word else []


def _date_parts(day: date) -> list[str]:
    """Day, month, year and each two of them: one part mistyped, or day and month swapped, leaves some alike."""
    y, m, d = f"y{day.year}", f"m{day.month}", f"d{day.day}"
    return [y, m, d, y + m, y + d, m + d]


def dice(one: bytes, other: bytes) -> float:
    """How alike two filters are, 0 to 1 (Dice 1945), as the linkage engine computes it."""
    left, right = int.from_bytes(one, "big"), int.from_bytes(other, "big")
    return 2 * (left & right).bit_count() / (left.bit_count() + right.bit_count())
