"""Likeness survives the encoding, and nothing else does."""

from datetime import date

import pytest

from learners.linking.encoding import (
    BITS,
    Encoder,
    Person,
    bigrams,
    blocks,
    dice,
    fingerprint,
    letters,
    name_key,
    sound,
)

ANN = Person("Ann Lee", "ann.lee@example.test", "E1", date(2020, 1, 2), "works", "fitter")


def likeness(one: str, other: str) -> float:
    encoder = Encoder()
    left, right = (encoder.encode(Person(name)).name for name in (one, other))
    assert left is not None and right is not None
    return dice(left, right)


def test_it_finds_typed_names_alike_and_others_not() -> None:
    assert likeness("Margaret Fielding", "Fielding, Margaret") == 1
    assert likeness("Zoë Ångström", "Zoe Angstrom") == 1
    assert likeness("Margaret Fielding", "Margret Fielding") > 0.85
    assert likeness("Margaret Fielding", "Robin Stone") < 0.3


def test_it_says_nothing_from_one_run_to_the_next() -> None:
    one, other = Encoder().encode(ANN), Encoder().encode(ANN)

    assert one.name != other.name
    assert one.number != other.number
    assert one.name_key == other.name_key  # this one is stored, and counted


def test_it_gives_each_field_its_own_key() -> None:
    encoded = Encoder().encode(Person("annlee", "annlee@example.test"))

    assert encoded.name is not None and encoded.local is not None
    assert dice(encoded.name, encoded.local) < 0.5


def test_it_fills_an_eighth_of_the_filter() -> None:
    encoded = Encoder().encode(ANN)

    assert encoded.name is not None and len(encoded.name) == BITS // 8
    set_bits = int.from_bytes(encoded.name, "big").bit_count()
    assert 40 <= set_bits <= len(set(bigrams("ann") + bigrams("lee"))) * 10


@pytest.mark.parametrize(
    "other",
    [
        Person("Lee, Ann", "x@other.test"),
        Person("Anne Leigh", "ann.lee@other.test"),
        Person("", "ann.lee@other.test"),
        Person("", "alee"),
        Person("Nobody Else", "", "e1"),
    ],
)
def test_it_brings_likely_pairs_into_one_block(other: Person) -> None:
    assert set(blocks(ANN)) & set(blocks(other))


def test_it_keeps_unlikely_pairs_apart() -> None:
    assert not set(blocks(ANN)) & set(blocks(Person("Robin Stone", "r.stone@example.test", "E2")))
    assert blocks(Person()) == []


def test_it_notices_a_change_of_what_is_compared_and_of_nothing_else() -> None:
    assert fingerprint(ANN) == fingerprint(ANN._replace(name="ANN  lee"))
    assert fingerprint(ANN) != fingerprint(ANN._replace(name="Anne Lee"))
    assert fingerprint(ANN) != fingerprint(ANN._replace(started_on=date(2020, 1, 3)))


def test_it_counts_no_address_as_a_name() -> None:
    assert name_key(Person("", "ann.lee@example.test")) is None
    assert name_key(Person("Ann Lee")) == name_key(Person("lee, ann"))


def test_it_hears_words_that_sound_alike() -> None:
    assert sound("robert") == sound("rupert")
    assert sound("lee") == sound("leigh"[:3]) == "l000"
    assert letters("O'Neill-Straße 7") == ["o", "neill", "strasse"]
