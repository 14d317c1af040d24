"""One person, one name, however a system spells it; an identifier names one learner at a time."""

import hashlib
from datetime import timedelta
from typing import Any

import pytest

from consent.arrays import fetch
from consent.crypto import keyed_hash
from learners.identity import (
    IdentifierTaken,
    add_identifier,
    canonical,
    canonical_identifier,
    change_address,
    close_identifier,
    identifier_hash,
    identifier_hash64,
    resolution,
    resolve,
)
from learners.models import Identifier
from tests.support.learners import NOW, TODAY, make_identifier, make_learner

SHA1 = hashlib.sha1(b"mailto:ann@example.test").hexdigest()
LATER = NOW + timedelta(days=7)


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        ({"mbox": "mailto:ann@example.test"}, f"mbox_sha1sum:{SHA1}"),
        ({"mbox": "MAILTO:Ann@Example.TEST"}, f"mbox_sha1sum:{SHA1}"),
        ({"mbox_sha1sum": SHA1.upper()}, f"mbox_sha1sum:{SHA1}"),
        (
            {"account": {"homePage": "HTTPS://LMS.Example.test/Path", "name": "Ann"}},
            "account:https://lms.example.test/Path|Ann",
        ),
        ({"account": {"homePage": "https://x.test", "name": "a|b"}}, "account:https://x.test|a|b"),
        ({"openid": "https://ID.example.test/Ann"}, "openid:https://id.example.test/Ann"),
        ({"openid": "https://[broken"}, "openid:https://[broken"),
        ({"account": {"name": "Ann"}}, None),
        ({"name": "Ann", "mbox": None}, None),
    ],
)
def test_it_spells_an_identifier_one_way(agent: dict[str, Any], expected: str | None) -> None:
    assert canonical_identifier(agent) == expected


def test_it_refuses_an_unknown_kind() -> None:
    with pytest.raises(ValueError, match="'phone' is no kind of identifier"):
        canonical("phone", "1")


def test_it_hashes_with_the_key_and_its_own_purpose() -> None:
    hashed = identifier_hash("openid:x")

    assert hashed == keyed_hash("identifier", "openid:x")
    assert identifier_hash64("openid:x") == int.from_bytes(hashed[:8], "big", signed=True)


@pytest.mark.django_db
def test_it_resolves_a_page_of_hashes_in_one_query(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = make_identifier(), make_identifier()
    hashes = [bytes(one.hash), bytes(two.hash), b"unknown"]
    asked: list[str] = []
    # It does not go through Django's cursor, which would count.

    def noted(sql: str, values: Any) -> list[tuple[Any, ...]]:
        asked.append(sql)
        return fetch(sql, values)

    monkeypatch.setattr(resolution, "fetch", noted)

    found = resolve(hashes, on=TODAY)

    assert len(asked) == 1
    assert found == resolve(hashes) == {hashes[0]: one.learner_id, hashes[1]: two.learner_id}
    assert resolve([]) == {}


@pytest.mark.django_db
def test_it_adds_an_identifier_once() -> None:
    learner = make_learner()

    first = add_identifier(learner=learner, kind="mbox", value=" ann@example.test ", now=NOW)
    again = add_identifier(learner=learner, kind="mbox_sha1sum", value=SHA1, now=LATER)

    assert first == again
    assert (first.value, first.valid_from) == ("ann@example.test", None)  # since ever, as far as we know


@pytest.mark.django_db
def test_it_says_whom_a_taken_identifier_names() -> None:
    holder = make_learner()
    add_identifier(learner=holder, kind="mbox", value="ann@example.test", now=NOW)

    with pytest.raises(IdentifierTaken, match=f"E-mail address already names learner {holder.pk}") as caught:
        add_identifier(learner=make_learner(), kind="mbox", value="ANN@example.test", now=NOW)

    assert caught.value.holder == holder.pk
    assert "ann@" not in str(caught.value).lower()


@pytest.mark.django_db
def test_it_hands_a_closed_identifier_on() -> None:
    old = make_identifier(value="post@example.test", valid_from=TODAY)
    new_holder = make_learner()

    assert close_identifier(identifier=old, now=LATER)
    assert not close_identifier(identifier=old, now=LATER + timedelta(days=1))
    new = add_identifier(learner=new_holder, kind="mbox", value="post@example.test", now=LATER)

    hashed = bytes(new.hash)
    assert resolve([hashed]) == {hashed: new_holder.pk}
    assert resolve([hashed], on=TODAY) == {hashed: old.learner_id}
    assert resolve([hashed], on=LATER.date()) == {hashed: new_holder.pk}
    assert resolve([hashed], on=TODAY - timedelta(days=1)) == {}


@pytest.mark.django_db
def test_it_closes_one_that_has_not_begun_on_its_first_day() -> None:
    identifier = make_identifier(valid_from=LATER.date())

    close_identifier(identifier=identifier, now=NOW)

    identifier.refresh_from_db()
    assert identifier.valid_to == LATER.date()


@pytest.mark.django_db
def test_it_changes_an_address_and_keeps_other_identifiers() -> None:
    learner = make_learner()
    make_identifier(learner=learner, value="old@example.test")
    other = make_identifier(learner=learner, kind="openid", value="https://id.example.test/ann")

    change_address(learner=learner, old="OLD@example.test", new="new@example.test", now=LATER)
    change_address(learner=learner, old="new@example.test", new="NEW@example.test", now=LATER)

    still_open = Identifier.objects.filter(learner=learner, valid_to__isnull=True)
    # Its capitals follow: somebody may send the SHA-1 of exactly these.
    assert {one.value for one in still_open} == {"NEW@example.test", other.value}


@pytest.mark.django_db
def test_it_keeps_the_old_address_when_the_new_one_is_taken() -> None:
    learner = make_learner()
    old = make_identifier(learner=learner, value="old@example.test")
    make_identifier(value="taken@example.test")

    with pytest.raises(IdentifierTaken):
        change_address(learner=learner, old="old@example.test", new="taken@example.test", now=LATER)

    old.refresh_from_db()
    assert old.valid_to is None
