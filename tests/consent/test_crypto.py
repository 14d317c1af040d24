"""Encryption round trips, wrong rings and altered bytes, look-up hashes, and the fields that use them."""

import pytest
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from consent.crypto import (
    AlteredToken,
    EncryptedJSONField,
    EncryptedTextField,
    WrongKeyRing,
    decrypt,
    encrypt,
    encrypt_many,
    is_current,
    keyed_hash,
    keyed_hash64,
    parse_ring,
)
from learners.models import Learner
from tests.support.consent import BOTH_RING, INDEX_ENTRY, NEW_ENTRY, NEW_RING, OLD_ENTRY

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.binary(max_size=300))
def test_it_gives_back_what_was_encrypted(plain: bytes) -> None:
    token = encrypt(plain)

    assert decrypt(token) == plain
    assert len(token) == len(plain) + 33  # version, fingerprint, nonce, tag


@given(st.text())
def test_it_gives_back_any_text(text: str) -> None:
    field = EncryptedTextField()

    assert field.from_db_value(field.get_db_prep_value(text, connection).obj, None, connection) == text


@given(JSON)
def test_it_gives_back_any_json(value: object) -> None:
    field = EncryptedJSONField()
    if value is None:
        return

    assert field.from_db_value(field.get_db_prep_value(value, connection).obj, None, connection) == value


@given(st.binary(max_size=40), st.integers(min_value=0))
def test_it_refuses_a_token_of_which_one_bit_changed(plain: bytes, position: int) -> None:
    token = bytearray(encrypt(plain))
    token[position % len(token)] ^= 1

    with pytest.raises((AlteredToken, WrongKeyRing)):
        decrypt(bytes(token))


def test_it_never_writes_the_same_twice() -> None:
    assert len({*encrypt_many([b"same"] * 100), encrypt(b"same")}) == 101


def test_it_encrypts_many_as_it_encrypts_one() -> None:
    assert [decrypt(token) for token in encrypt_many([b"a", b"", b"c"])] == [b"a", b"", b"c"]


def test_it_refuses_bytes_that_are_no_token() -> None:
    with pytest.raises(AlteredToken):
        decrypt(b"plain text from before")


def test_it_names_the_key_that_is_missing_and_where_it_belongs(settings: Settings) -> None:
    token = encrypt(b"secret")
    settings.FIELD_KEYS = NEW_RING

    with pytest.raises(WrongKeyRing, match=rf"{token[1:5].hex()}.*'new'.*FIELD_KEYS"):
        decrypt(token)


def test_it_reads_old_keys_and_writes_the_last(settings: Settings) -> None:
    old = encrypt(b"secret")
    settings.FIELD_KEYS = BOTH_RING

    assert decrypt(old) == b"secret"
    assert not is_current(old)
    assert is_current(encrypt(b"secret"))


def test_it_does_not_take_another_key_of_the_same_name_for_the_right_one(settings: Settings) -> None:
    token = encrypt(b"secret")
    settings.FIELD_KEYS = f"{INDEX_ENTRY},dev1:{NEW_ENTRY.partition(':')[2]}"

    with pytest.raises(WrongKeyRing):
        decrypt(token)


@pytest.mark.parametrize(
    ("ring", "says"),
    [
        ("", "needs the key named index"),
        (INDEX_ENTRY, "at least one other key"),
        (OLD_ENTRY, "needs the key named index"),
        (f"{INDEX_ENTRY},short:c2hvcnQ=", "'short' must be base64 of 32"),
        (f"{INDEX_ENTRY},odd:!!!", "'odd' must be base64"),
        (f"{INDEX_ENTRY},{OLD_ENTRY},{OLD_ENTRY}", "'dev1' twice"),
        (f"{INDEX_ENTRY},{INDEX_ENTRY},{OLD_ENTRY}", "'index' twice"),
    ],
)
def test_it_says_what_is_wrong_with_a_ring(ring: str, says: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=says):
        parse_ring(ring)


def test_it_never_repeats_a_key_in_its_complaint() -> None:
    bare = NEW_ENTRY.partition(":")[2]

    with pytest.raises(ImproperlyConfigured) as caught:
        parse_ring(f"{INDEX_ENTRY},{bare}")

    assert bare not in str(caught.value)
    assert "entry 2" in str(caught.value)


def test_it_hashes_alike_what_is_alike_and_apart_what_serves_another_purpose(
    settings: Settings,
) -> None:
    first = keyed_hash("login", "ann")

    assert first == keyed_hash("login", "ann")
    assert len(first) == 16
    assert first != keyed_hash("identifier", "ann")
    settings.FIELD_KEYS = BOTH_RING
    assert first == keyed_hash("login", "ann"), "rotation must not lose anybody"
    settings.FIELD_KEYS = f"index:{NEW_ENTRY.partition(':')[2]},{OLD_ENTRY}"
    assert first != keyed_hash("login", "ann")


@given(st.text())
def test_it_fits_a_signed_64_bit_column(value: str) -> None:
    assert -(2**63) <= keyed_hash64("verb", value) < 2**63


@pytest.mark.django_db
def test_it_keeps_names_out_of_the_database() -> None:
    learner = Learner.objects.create(name="Åsa Lindqvist")

    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM learners_learner WHERE id = %s", [learner.pk])
        stored = bytes(cursor.fetchone()[0])

    assert b"Lindqvist" not in stored
    assert Learner.objects.get(pk=learner.pk).name == "Åsa Lindqvist"


@pytest.mark.django_db
def test_it_keeps_null_apart_from_nothing() -> None:
    learner = Learner.objects.create(name="")

    assert Learner.objects.get(pk=learner.pk).name == ""
    assert Learner.objects.filter(pk=learner.pk, name__isnull=False).exists()


@pytest.mark.parametrize("condition", [{"name": "Åsa"}, {"name__icontains": "s"}, {"name__in": ["Åsa"]}])
def test_it_says_that_an_encrypted_field_cannot_be_searched(condition: dict[str, object]) -> None:
    with pytest.raises(FieldError, match="name is encrypted and cannot be searched"):
        Learner.objects.filter(**condition)


def test_it_refuses_bytes_where_text_belongs() -> None:
    with pytest.raises(TypeError):
        Learner._meta.get_field("name").get_db_prep_value(b"bytes", connection)


def test_it_asks_for_text_in_a_form() -> None:
    field = EncryptedTextField(blank=True).formfield()
    json_field = EncryptedJSONField().formfield()

    assert field is not None
    assert json_field is not None
    assert field.clean(" Åsa ") == "Åsa"
    assert json_field.clean('{"a": 1}') == {"a": 1}
