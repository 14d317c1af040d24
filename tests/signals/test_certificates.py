"""Certificates as rows: made with their statement, whatever the source and the order, and made again by a rebuild."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, transaction

from consent import retention
from learners.models import Competency, CompetencyItem, Course, Enrolment, Learner
from signals import normalize
from signals.certificates import EXPIRES
from signals.features.refresh import refresh
from signals.models import Certificate, EnrolmentMark, Event, Statement
from signals.privacy import erase, export
from signals.rebuild import Mode, rebuild
from signals.table_hashes import table_hashes
from signals.xapi.credentials import NewCredential
from signals.xapi.keys import activity_key
from tests.support.signals import (
    COURSE,
    NOW,
    account,
    enrolled,
    identify,
    make_credential,
    send,
    statement,
)
from tests.support.sources import bring, known

pytestmark = pytest.mark.django_db
EARNED = "http://id.tincanapi.com/verb/earned"
LICENCE = "https://authority.example/licences/forklift"


@pytest.fixture
def lms() -> NewCredential:
    return make_credential()


def licence(until: str | None, *, earned: datetime = NOW, **more: Any) -> dict[str, Any]:
    """Somebody was given the licence, until that day or moment."""
    made = statement(EARNED, LICENCE, at=earned, course=None, **more)
    if until is not None:
        made["context"] = {"extensions": {EXPIRES: until}}
    return made


def voiding_of(sent: dict[str, Any]) -> dict[str, Any]:
    return statement("voided", object={"objectType": "StatementRef", "id": sent["id"]}, course=None)


def clean() -> None:
    EnrolmentMark.objects.update(dirty_since=None, dirty_days=[])


def is_woken(enrolment: Enrolment) -> bool:
    return EnrolmentMark.objects.filter(pk=enrolment.pk, dirty_since__isnull=False).exists()


class TestReading:
    def test_it_keeps_what_was_earned_and_until_when(self, lms: NewCredential) -> None:
        learner = enrolled().learner
        sent = licence("2026-12-31")

        send(sent, credential=lms.credential)

        row = Certificate.objects.get()
        assert (row.pk, row.learner_id, row.enrolment_id) == (UUID(sent["id"]), learner.pk, None)
        assert (row.activity, row.occurred_at, row.known_at) == (activity_key(LICENCE), NOW, NOW)
        assert (row.expires_at, row.whole_day) == (datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), True)

    @pytest.mark.parametrize("part", ["context", "result", "definition"])
    def test_it_finds_the_end_wherever_it_is_said(self, lms: NewCredential, part: str) -> None:
        enrolled()
        sent = licence(None)
        said = {"extensions": {EXPIRES: "2026-12-31T12:00:00+02:00"}}
        if part == "definition":
            sent["object"]["definition"] = said
        else:
            sent[part] = said

        send(sent, credential=lms.credential)

        row = Certificate.objects.get()
        assert (row.expires_at, row.whole_day) == (datetime(2026, 12, 31, 10, tzinfo=UTC), False)

    @pytest.mark.parametrize("said", ["soon", "2026-13-01", "9999-12-31", 20261231, None, "2020-01-01", ""])
    def test_it_takes_no_end_from_what_cannot_be_one(self, lms: NewCredential, said: Any) -> None:
        enrolled()
        sent = licence(None)
        sent["context"] = {"extensions": {EXPIRES: said}}

        send(sent, credential=lms.credential)

        assert Certificate.objects.get().expires_at is None

    @pytest.mark.parametrize(
        ("verb", "result", "until", "is_one"),
        [
            (EARNED, {}, None, True),
            ("passed", {}, None, False),
            ("passed", {}, "2026-12-31", True),
            ("completed", {"success": True}, "2026-12-31", True),
            ("completed", {"success": False}, "2026-12-31", False),
            ("failed", {}, "2026-12-31", False),
            ("experienced", {}, "2026-12-31", False),
        ],
    )
    def test_it_is_one_where_something_was_earned_or_passed_until_a_day(
        self, lms: NewCredential, verb: str, result: dict[str, Any], until: str | None, is_one: bool
    ) -> None:
        enrolled()
        sent = statement(verb, LICENCE, at=NOW, result=result)
        if until:
            sent["context"]["extensions"] = {EXPIRES: until}

        send(sent, credential=lms.credential)

        assert Certificate.objects.exists() is is_one

    def test_it_knows_its_course_and_its_competency(self, lms: NewCredential) -> None:
        enrolment = enrolled()
        trucks = Competency.objects.create(key="trucks", name="Driving trucks")
        CompetencyItem.objects.create(competency=trucks, iri=LICENCE, name="Licence")
        sent = licence("2026-12-31")
        sent["context"]["contextActivities"] = {"parent": [{"id": COURSE}]}

        send(sent, credential=lms.credential)

        row = Certificate.objects.get()
        assert (row.enrolment_id, row.course, row.competency) == (enrolment.pk, enrolment.course, trucks)

    def test_it_waits_with_its_statement_for_somebody_unknown(self, lms: NewCredential) -> None:
        send(licence("2026-12-31", actor=account("new")), credential=lms.credential)
        assert not Certificate.objects.exists()
        learner = Learner.objects.create()
        identify(learner, account("new"))

        normalize.resolve_parked(now=NOW)

        assert Certificate.objects.get().learner_id == learner.pk

    def test_it_comes_from_files_too(self) -> None:
        learner = known("ada@works.example")

        bring(
            "certificates",
            "person,credential,issued,expires\nada@works.example,Forklift,2026-01-10,2027-01-10\n",
        )

        row = Certificate.objects.get()
        assert (row.learner_id, row.whole_day) == (learner.pk, True)
        assert row.expires_at == datetime(2027, 1, 10, 23, 59, 59, tzinfo=UTC)

    def test_it_is_there_once_however_often_it_is_sent(self, lms: NewCredential) -> None:
        enrolled()
        sent = licence("2026-12-31")

        for _ in range(2):
            send(sent, credential=lms.credential)

        assert Certificate.objects.count() == 1


class TestTakingBack:
    def test_a_voided_one_says_so_and_is_no_longer_handed_out(self, lms: NewCredential) -> None:
        learner = enrolled().learner
        sent = licence("2026-12-31")
        send(sent, credential=lms.credential)
        assert len(export(learner.pk)["certificates"]) == 1

        send(voiding_of(sent), credential=lms.credential)

        assert Certificate.objects.get().voided_seq is not None
        assert export(learner.pk)["certificates"] == []

    def test_one_voided_before_it_came_never_is(self, lms: NewCredential) -> None:
        enrolled()
        sent = licence("2026-12-31")

        send(voiding_of(sent), credential=lms.credential)
        send(sent, credential=lms.credential)

        assert not Certificate.objects.exists()

    def test_it_goes_with_the_person(self, lms: NewCredential) -> None:
        learner = enrolled().learner
        send(licence("2026-12-31"), credential=lms.credential)

        counts = erase(learner.pk, now=NOW)

        assert counts["certificates"] == 1
        assert not Certificate.objects.exists()


class TestWaking:
    @pytest.mark.parametrize(
        "sent",
        [
            licence("2026-12-31"),
            licence(None),
            statement("completed", "https://intranet.example/onboarding", at=NOW, course=None),
        ],
    )
    def test_it_wakes_every_active_course_of_whoever_it_is_about(
        self, lms: NewCredential, sent: dict[str, Any]
    ) -> None:
        mine = enrolled()
        also = Enrolment.objects.create(
            learner=mine.learner,
            course=Course.objects.create(iri="urn:other", name="Other"),
            starts_on=NOW.date(),
            enrolled_at=NOW,
        )
        over = Enrolment.objects.create(
            learner=mine.learner,
            course=Course.objects.create(iri="urn:over", name="Over"),
            starts_on=NOW.date(),
            enrolled_at=NOW,
            state="completed",
            ended_at=NOW,
        )
        others = enrolled("person-0002")
        clean()

        send(sent, credential=lms.credential)

        assert [is_woken(one) for one in (mine, also, over, others)] == [True, True, False, False]

    def test_taking_it_back_wakes_them_too(self, lms: NewCredential) -> None:
        enrolment = enrolled()
        sent = licence("2026-12-31")
        send(sent, credential=lms.credential)
        clean()

        send(voiding_of(sent), credential=lms.credential)

        assert is_woken(enrolment)

    def test_it_wakes_nobody_by_what_was_only_looked_at_or_long_ago(self, lms: NewCredential) -> None:
        enrolment = enrolled()
        clean()

        send(
            statement("experienced", "https://intranet.example/news", at=NOW, course=None),
            statement("completed", "https://intranet.example/old", at=NOW - timedelta(days=40), course=None),
            credential=lms.credential,
        )

        assert not is_woken(enrolment)

    def test_what_is_sent_again_wakes_nobody(self, lms: NewCredential) -> None:
        enrolment = enrolled()
        sent = licence("2026-12-31")
        send(sent, credential=lms.credential)
        clean()

        send(sent, credential=lms.credential)

        assert not is_woken(enrolment)


class TestRebuilding:
    def test_it_makes_the_same_ones_again(self, lms: NewCredential) -> None:
        enrolled()
        send(licence("2026-12-31"), licence(None, earned=NOW - timedelta(days=9)), credential=lms.credential)
        refresh(now=NOW)
        before = table_hashes()["certificates"]
        Certificate.objects.all().delete()

        done = rebuild(now=NOW)

        assert done.events == 2
        assert table_hashes()["certificates"] == before
        assert before.rows == 2
        assert rebuild(now=NOW).changed == 0

    @pytest.mark.parametrize(
        "harm",
        [
            lambda rows: rows.update(expires_at=NOW + timedelta(days=1)),
            lambda rows: rows.update(whole_day=False),
            lambda rows: rows.update(course=Course.objects.get()),
            lambda rows: rows.update(learner_id=UUID(int=7)),
        ],
    )
    def test_it_puts_right_one_that_is_wrong(self, lms: NewCredential, harm: Callable[[Any], Any]) -> None:
        enrolled()
        send(licence("2026-12-31"), credential=lms.credential)
        refresh(now=NOW)
        before = table_hashes()["certificates"]
        harm(Certificate.objects)

        found = rebuild(now=NOW, mode=Mode.VERIFY)
        rebuild(now=NOW)

        assert found.events == 1
        assert found.before["certificates"] != found.after["certificates"] == before
        assert table_hashes()["certificates"] == before

    def test_it_takes_away_one_that_no_statement_accounts_for(self, lms: NewCredential) -> None:
        enrolled()
        send(licence("2026-12-31"), credential=lms.credential)
        Certificate.objects.create(
            statement_id=UUID(int=9),
            learner_id=UUID(int=9),
            occurred_at=NOW,
            known_at=NOW,
            known_seq=0,
            activity=1,
        )

        done = rebuild(now=NOW)

        assert done.orphans == 1
        assert Certificate.objects.count() == 1


def test_it_is_kept_until_it_has_been_over_for_as_long_as_records_are(lms: NewCredential) -> None:
    enrolled()
    long_ago = NOW - timedelta(days=6 * 365)
    send(
        licence("2021-01-01", earned=long_ago),
        licence("2027-01-01", earned=long_ago + timedelta(days=1)),
        licence(None, earned=long_ago + timedelta(days=2)),
        credential=lms.credential,
    )
    assert Certificate.objects.count() == 3

    retention.apply(now=NOW)

    assert [row.expires_at and row.expires_at.year for row in Certificate.objects.all()] == [2027]
    assert not Event.objects.exists()
    assert Statement.objects.count() in (0, 3)
    rebuild(now=NOW)
    assert Certificate.objects.count() == 1


@pytest.mark.parametrize(
    ("promise", "fields"),
    [
        ("a_certificate_ends_after_it_was_earned", {"expires_at": NOW - timedelta(days=1)}),
        ("only_an_end_is_a_whole_day", {"whole_day": True}),
    ],
)
def test_the_database_refuses_an_impossible_one(promise: str, fields: dict[str, Any]) -> None:
    made: dict[str, Any] = {
        "statement_id": UUID(int=1),
        "learner_id": UUID(int=1),
        "occurred_at": NOW,
        "known_at": NOW,
        "known_seq": 0,
        "activity": 1,
    }

    with pytest.raises(IntegrityError, match=promise), transaction.atomic():
        Certificate.objects.create(**{**made, **fields})
