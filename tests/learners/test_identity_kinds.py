"""Each kind of identifier names its person, exactly on the days between its two dates."""

import hashlib
from datetime import date, timedelta

import pytest
from django.db import IntegrityError, transaction

from learners.identity import (
    IdentifierTaken,
    add_identifier,
    canonical,
    canonical_identifier,
    change_address,
    close_identifier,
    find,
    hashes_of,
    identifier_hash,
    resolve,
    resolve_at,
)
from learners.models import Identifier
from tests.support.learners import NOW, TODAY, make_identifier, make_learner

BEGINS, ENDS = date(2026, 1, 10), date(2026, 2, 10)
DAY = timedelta(days=1)
SHA1_LOWER = hashlib.sha1(b"mailto:ann.lee@example.test").hexdigest()
SHA1_GIVEN = hashlib.sha1(b"mailto:Ann.Lee@Example.test").hexdigest()

# kind, as we are told it, and other ways in which it is met
KINDS = {
    "mbox": ("Ann.Lee@Example.test", [("mbox", "mailto:ann.lee@example.TEST"), ("mbox_sha1sum", SHA1_LOWER)]),
    "mbox_sha1sum": (SHA1_LOWER, [("mbox", "ANN.LEE@example.test"), ("mbox_sha1sum", SHA1_LOWER.upper())]),
    "account": ("https://lms.example.test|ann", [("account", "HTTPS://LMS.example.test|ann")]),
    "openid": ("https://id.example.test/ann", [("openid", "https://ID.example.test/ann")]),
    "employee": ("A-17", [("employee", " a-17 ")]),
    "sso": ("https://login.example.test|8f2c", [("account", "https://login.example.test|8f2c")]),
}


def hashed(kind: str, value: str) -> bytes:
    return identifier_hash(canonical(kind, value))


@pytest.mark.django_db
@pytest.mark.parametrize("kind", KINDS)
def test_it_names_its_person_between_its_dates_and_on_no_other_day(kind: str) -> None:
    value, others = KINDS[kind]
    learner = make_learner()
    identifier = add_identifier(learner=learner, kind=kind, value=value, now=NOW, valid_from=BEGINS)
    Identifier.objects.filter(pk=identifier.pk).update(valid_to=ENDS)

    for met_kind, met_value in [(kind, value), *others]:
        key = hashed(met_kind, met_value)
        found = resolve_at([(key, BEGINS - DAY), (key, BEGINS), (key, ENDS - DAY), (key, ENDS)])

        assert found == {(key, BEGINS): learner.pk, (key, ENDS - DAY): learner.pk}
        assert resolve([key]) == {}
        assert find(met_kind, met_value, on=BEGINS) == learner


@pytest.mark.django_db
@pytest.mark.parametrize("kind", KINDS)
def test_it_names_whoever_had_it_on_the_day_when_it_is_used_again(kind: str) -> None:
    value, _ = KINDS[kind]
    first = make_identifier(kind=kind, value=value)
    close_identifier(identifier=first, now=NOW)
    second = add_identifier(learner=make_learner(), kind=kind, value=value, now=NOW)
    key = hashed(kind, value)

    found = resolve_at([(key, TODAY - 500 * DAY), (key, TODAY - DAY), (key, TODAY)])

    assert second.valid_from == TODAY
    assert list(found.values()).count(first.learner_id) == 2
    assert found[(key, TODAY)] == resolve([key])[key] == second.learner_id


@pytest.mark.django_db
def test_it_meets_a_sum_over_the_capitals_it_was_given() -> None:
    learner = make_learner()
    identifier = add_identifier(learner=learner, kind="mbox", value="mailto:Ann.Lee@Example.test", now=NOW)
    sent = canonical_identifier({"mbox_sha1sum": SHA1_GIVEN})
    assert sent is not None

    assert resolve([identifier_hash(sent)]) == {identifier_hash(sent): learner.pk}
    assert hashes_of(learner.pk) == {bytes(identifier.hash), identifier_hash(sent)}


@pytest.mark.django_db
def test_it_keeps_no_second_spelling_of_an_address_in_small_letters() -> None:
    assert make_identifier(value="ann.lee@example.test").given_hash is None


@pytest.mark.django_db
def test_it_believes_an_own_sum_before_a_second_spelling() -> None:
    make_identifier(value="Ann.Lee@Example.test")
    own = make_identifier(kind="mbox_sha1sum", value=SHA1_GIVEN)
    key = hashed("mbox_sha1sum", SHA1_GIVEN)

    assert resolve([key]) == {key: own.learner_id}


@pytest.mark.django_db
def test_it_follows_an_address_that_gets_other_capitals() -> None:
    learner = make_learner()
    make_identifier(learner=learner, value="ann.lee@example.test")

    change_address(learner=learner, old="ann.lee@example.test", new="Ann.Lee@Example.test", now=NOW)

    assert resolve([hashed("mbox_sha1sum", SHA1_GIVEN)]) == {hashed("mbox_sha1sum", SHA1_GIVEN): learner.pk}


@pytest.mark.django_db
def test_it_finds_somebody_by_the_number_in_the_roster() -> None:
    from learners.identity import employee_hash

    learner = make_learner(employee_hash=employee_hash("B-1"), employee_number="B-1")

    assert find("employee", "b-1", on=TODAY) == learner
    assert find("employee", "b-2", on=TODAY) is None


@pytest.mark.django_db
def test_it_does_not_hand_on_what_somebody_holds_until_a_later_day() -> None:
    held = make_identifier(value="post@example.test")
    Identifier.objects.filter(pk=held.pk).update(valid_to=TODAY + 7 * DAY)

    with pytest.raises(IdentifierTaken):
        add_identifier(
            learner=make_learner(), kind="mbox", value="post@example.test", now=NOW, valid_from=TODAY
        )


@pytest.mark.django_db
def test_it_refuses_two_holders_of_one_day_in_the_database_and_allows_two_that_touch() -> None:
    def row(begins: date | None, ends: date | None) -> None:
        Identifier.objects.create(
            learner=make_learner(), kind="openid", hash=b"k" * 16, value="x", valid_from=begins, valid_to=ends
        )

    row(None, BEGINS)
    row(BEGINS, ENDS)
    row(ENDS, None)

    for begins, ends in ((None, None), (BEGINS - DAY, BEGINS), (ENDS - DAY, ENDS), (ENDS, ENDS + DAY)):
        with (
            pytest.raises(IntegrityError, match="an_identifier_names_one_learner_"),
            transaction.atomic(),
        ):
            row(begins, ends)
