"""Counting what each source sends: everything once, at no cost to ingest."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from signals import clock, refusals
from signals.models import Credential, IntakeNote, SourceDay, SourceTerm, TallyMark
from signals.quality import checks, sample, tally, terms
from signals.reading import Reading
from signals.xapi.primitives import moment
from tests.support.consent import Elsewhere
from tests.support.signals import ADL, NOW, account, enrolled, make_credential, send, statement

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(minutes=1)
TODAY = NOW.date()
SHORT = "PT5M"


def counted(source: Credential, day: date = TODAY) -> SourceDay:
    return SourceDay.objects.get(source=source, day=day)


def seen(source: Credential, **expected: int) -> dict[str, int]:
    """The same counts as are expected, from today's row."""
    row = counted(source)
    return {name: getattr(row, name) for name in expected}


def test_it_counts_each_statement_once_however_often_it_runs() -> None:
    enrolled()
    source = make_credential().credential
    send(*[statement(at=NOW - timedelta(minutes=n)) for n in range(5)], credential=source)
    send(statement(actor=account("nobody-knows-me"), at=NOW), credential=source)

    done = [tally.tally(now=LATER), tally.tally(now=LATER), tally.tally(now=LATER + timedelta(hours=1))]

    assert done == [6, 0, 0]
    expected = {"statements": 6, "parked": 1, "read": 6, "events": 5, "twins": 0, "deriving": 6}
    assert seen(source, **expected) == expected
    assert counted(source).last_at == NOW + timedelta(microseconds=4)  # the fifth of its batch


def test_it_adds_what_comes_later_to_the_same_day() -> None:
    source = make_credential().credential
    send(statement(), credential=source)
    tally.tally(now=LATER)
    send(statement(), statement(), credential=source, now=NOW + timedelta(minutes=5))

    tally.tally(now=NOW + timedelta(minutes=6))

    assert counted(source).statements == 3


def test_it_keeps_sources_and_days_apart() -> None:
    one, other = make_credential().credential, make_credential(name="other").credential
    midnight = datetime(2026, 3, 3, tzinfo=UTC)
    send(statement(), credential=one, now=midnight - timedelta(seconds=1))
    send(statement(), statement(), credential=one, now=midnight)
    send(statement(), credential=other, now=midnight)

    tally.tally(now=midnight + timedelta(minutes=1))

    rows = SourceDay.objects.order_by("day", "statements").values_list("source__name", "day", "statements")
    assert list(rows) == [("lms", TODAY, 1), ("other", date(2026, 3, 3), 1), ("lms", date(2026, 3, 3), 2)]


def test_it_works_in_spans_of_a_bounded_size() -> None:
    source = make_credential().credential
    send(*[statement() for _ in range(10)], credential=source)

    done = []
    while number := tally.tally(now=LATER, limit=4):
        done.append(number)

    assert done == [4, 4, 2]
    assert counted(source).statements == 10


def test_it_counts_more_than_a_span_that_share_one_moment() -> None:
    source = make_credential().credential
    for _ in range(5):
        send(statement(), credential=source)

    while tally.tally(now=LATER, limit=2):
        pass

    assert counted(source).statements == 5


@pytest.mark.django_db(transaction=True)
def test_it_leaves_what_is_still_being_written_to_the_next_time() -> None:
    source = make_credential().credential
    send(statement(), credential=source)
    from signals.xapi.consistency import announced

    with announced(NOW - timedelta(seconds=5)):  # somebody began before us and has not committed
        while_writing = Elsewhere(lambda: tally.tally(now=LATER)).answer()
    afterwards = tally.tally(now=LATER)

    assert (while_writing, afterwards) == (0, 1)


@pytest.mark.django_db(transaction=True)
def test_it_is_counted_by_one_at_a_time() -> None:
    source = make_credential().credential
    send(*[statement() for _ in range(5)], credential=source)
    with transaction.atomic():
        tally.locked_mark()
        second = Elsewhere(lambda: tally.tally(now=LATER))
        waits = second.still_waits()

    assert waits
    assert second.answer() == 5
    assert counted(source).statements == 5


def test_it_reads_only_a_sample_of_a_busy_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "SAMPLE", 3)
    busy, small = make_credential().credential, make_credential(name="small").credential
    send(*[statement() for _ in range(20)], credential=busy)
    send(statement("urn:rare:verb"), statement(), credential=small)

    tally.tally(now=LATER)

    assert seen(busy, statements=20, read=3) == {"statements": 20, "read": 3}
    assert seen(small, statements=2, read=2) == {"statements": 2, "read": 2}


def test_it_takes_the_same_number_of_queries_for_many_as_for_few() -> None:
    source = make_credential().credential
    enrolled()

    def queries(number: int, at: datetime) -> int:
        send(*[statement(at=at - timedelta(minutes=n)) for n in range(number)], credential=source, now=at)
        with CaptureQueriesContext(
            connection,
        ) as caught:
            tally.tally(now=at + timedelta(minutes=1))
        return len(caught)

    queries(2, NOW)  # the first makes the mark and the day
    assert queries(2, NOW + timedelta(minutes=5)) == queries(60, NOW + timedelta(minutes=10))


# --- what is not stored ----------------------------------------------------------------------------------------


def test_it_counts_what_was_sent_again() -> None:
    source = make_credential().credential
    sent = [statement(), statement()]
    send(*sent, credential=source)

    send(*sent, statement(), credential=source)
    send(*sent, credential=source)
    tally.tally(now=LATER)

    assert seen(source, statements=3, resent=4) == {"statements": 3, "resent": 4}
    assert not IntakeNote.objects.exists()


def test_it_follows_the_count_of_what_was_refused() -> None:
    source = make_credential().credential
    refusals.count(source, {"missing": 3, "conflict": 1}, requests=2, now=NOW)
    tally.tally(now=LATER)
    first = counted(source).refused
    refusals.count(source, {"missing": 2}, requests=1, now=LATER)
    tally.tally(now=LATER + timedelta(minutes=1))

    tally.tally(now=LATER + timedelta(minutes=2))

    assert (first, counted(source).refused) == (4, 6)
    assert counted(source).last_at == LATER


def test_it_judges_a_corrected_clock_as_it_is_taken() -> None:
    enrolled()
    source = make_credential().credential
    clock.set_rule(source, clock.Rule("shift", -7200))
    send(statement(at=NOW + timedelta(hours=2)), credential=source)

    tally.tally(now=LATER)

    row = counted(source)
    assert (row.ahead, row.lags, row.events) == (0, {"0": 1}, 1)


def test_it_writes_nothing_more_for_an_ordinary_batch() -> None:
    enrolled()
    source = make_credential().credential
    with CaptureQueriesContext(connection) as caught:
        send(statement(at=NOW), credential=source)

    assert not [query for query in caught.captured_queries if "intakenote" in query["sql"]]


def test_it_counts_the_quarantine_and_the_clocks_in_it() -> None:
    source = make_credential("write", "bulk").credential
    ahead = [statement(at=NOW + timedelta(hours=2)) for _ in range(2)]

    send(*ahead, {"verb": {}}, statement(), credential=source, bulk=True)
    tally.tally(now=LATER)

    row = counted(source)
    assert (row.statements, row.quarantined, row.misdated, row.lags) == (1, 3, 2, {"-8": 2})


# --- what a statement lacks ------------------------------------------------------------------------------------


def test_it_counts_what_statements_lack() -> None:
    enrolled()
    source = make_credential().credential
    hour = timedelta(hours=1)
    send(
        statement("scored", at=NOW - hour, scaled=0.7),
        statement("scored", at=NOW - hour, result={"score": {"raw": 7}}),
        statement("passed", at=NOW - hour, result={"success": True, "duration": SHORT}),
        statement("completed", at=NOW - hour),
        statement("experienced", at="2026-03-02T00:00:00Z"),
        statement("experienced", at="2026-03-02T00:00:00+01:00"),
        statement("experienced", at=NOW + timedelta(minutes=5)),
        statement("experienced", at=NOW - timedelta(days=40)),
        statement("experienced", context={"registration": str(uuid4())}),
        credential=source,
    )

    tally.tally(now=LATER)

    expected = {
        "read": 9,
        "undated": 1,
        "midnight": 2,
        "ahead": 1,
        "old": 1,
        "results": 3,
        "unscored": 2,
        "endings": 2,
        "untimed": 1,
        "deriving": 9,
        "outside": 1,
        "unregistered": 8,
    }
    assert seen(source, **expected) == expected
    assert counted(source).lags == {"4": 4, "36": 1, "40": 1, "0": 1, "late": 1}


def test_it_finds_the_same_fact_under_two_ids_even_from_two_sources() -> None:
    enrolled()
    lms, tool = make_credential().credential, make_credential(name="tool").credential
    at = NOW - timedelta(hours=3)
    send(statement("scored", "https://x.test/quiz", at=at, scaled=0.5), credential=lms)
    tally.tally(now=LATER)
    later = NOW + timedelta(minutes=10)
    send(
        statement("scored", "https://x.test/quiz", at=at, scaled=0.5),  # the same again
        statement("scored", "https://x.test/quiz", at=at, scaled=0.6),  # another result
        statement("scored", "https://x.test/other", at=at, scaled=0.5),  # of something else
        credential=tool,
        now=later,
    )

    tally.tally(now=later + timedelta(minutes=1))

    assert seen(lms, events=1, twins=0) == {"events": 1, "twins": 0}
    assert seen(tool, events=3, twins=1) == {"events": 3, "twins": 1}


def test_it_takes_no_two_things_of_one_midnight_for_twins() -> None:
    enrolled()
    source = make_credential().credential
    send(*[statement("experienced", at="2026-03-01T00:00:00Z") for _ in range(3)], credential=source)

    tally.tally(now=LATER)

    assert counted(source).twins == 0


def test_it_counts_a_voided_statements_twin_no_more() -> None:
    enrolled()
    source = make_credential().credential
    at = NOW - timedelta(hours=3)
    first = statement(at=at)
    send(first, credential=source)
    target = {"objectType": "StatementRef", "id": first["id"]}
    send(statement("voided", object=target, course=None), credential=source, now=NOW + timedelta(seconds=1))
    send(statement(at=at), credential=source, now=NOW + timedelta(seconds=2))

    tally.tally(now=LATER)

    assert counted(source).twins == 0


def look(*, at: str | None, stored: datetime = NOW, **more: Any) -> checks.Look:
    sent = statement(at=at, **more)
    return checks.look(
        Reading(0, json.dumps(sent).encode(), sent, statement_id=UUID(sent["id"]), stored=stored), verb=None
    )


@pytest.mark.parametrize(
    ("at", "is_midnight"),
    [
        ("2026-03-02T00:00:00Z", True),
        ("2026-03-02T00:00:00.000+05:30", True),
        ("2026-03-01T19:00:00-05:00", True),
        ("2026-03-02T00:00:00.250Z", False),
        ("2026-03-02T00:00:01Z", False),
        ("2026-03-02T08:00:00Z", False),
    ],
)
def test_it_knows_a_date_that_pretends_to_be_a_moment(at: str, is_midnight: bool) -> None:
    assert look(at=at).midnight is is_midnight


@pytest.mark.parametrize(
    ("minutes", "lag"),
    [
        (0, "0"),
        (7, "0"),
        (8, "1"),
        (60, "4"),
        (-60, "-4"),
        (14 * 60, "56"),
        (15 * 60, "late"),
        (-15 * 60, "early"),
    ],
)
def test_it_counts_lateness_in_quarter_hours(minutes: int, lag: str) -> None:
    assert checks.lag_of(timedelta(minutes=minutes)) == lag


def test_it_keeps_all_moments_in_utc() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW timezone")
        zone = cursor.fetchone()[0]

    assert zone == "UTC"
    assert moment("2026-03-02T10:00:00+01:00") == moment("2026-03-02T09:00:00") == NOW


# --- words -----------------------------------------------------------------------------------------------------


def test_it_notes_the_words_of_each_source_and_since_when(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "SAMPLE", 1)  # so that the IRI of a verb must be looked up
    source = make_credential().credential
    send(*[statement("urn:x:juggled") for _ in range(3)], statement(type="urn:x:ball"), credential=source)
    tally.tally(now=LATER)
    later = NOW + timedelta(days=1)
    send(statement("urn:x:juggled", type="urn:x:ball"), credential=source, now=later)

    tally.tally(now=later + timedelta(minutes=1))

    term = SourceTerm.objects.get(iri="urn:x:juggled")
    assert (term.kind, term.seen, term.first_seen_at.date(), term.last_seen_at) == ("verb", 4, TODAY, later)
    assert SourceTerm.objects.filter(kind="verb").count() == 2
    assert SourceTerm.objects.filter(kind="type", iri="urn:x:ball").exists()


def test_it_lets_nobody_fill_the_table_with_made_up_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terms, "MOST_TERMS", 4)
    source = make_credential().credential
    send(*[statement(f"urn:x:{n}") for n in range(9)], credential=source)

    tally.tally(now=LATER)

    assert SourceTerm.objects.count() == 4


# --- counting anew ---------------------------------------------------------------------------------------------


def test_it_counts_a_day_anew_on_which_more_is_stored_than_was_counted() -> None:
    source = make_credential().credential
    sent = statement()
    send(sent, credential=source)
    send(sent, credential=source)
    tally.tally(now=LATER)
    send(
        statement("urn:x:late"), statement(), credential=source, now=NOW - timedelta(hours=1)
    )  # already passed

    missed = counted(source).statements
    days = [tally.recount(now=LATER), tally.recount(now=LATER)]

    assert (missed, days) == (1, [1, 0])
    expected = {"statements": 3, "read": 3, "resent": 1}
    assert seen(source, **expected) == expected
    assert SourceTerm.objects.get(iri="urn:x:late").seen == 1
    assert (
        SourceTerm.objects.get(iri=ADL + "experienced").seen == 1
    )  # what it was counted by is not counted twice


def test_it_recounts_once_a_day() -> None:
    source = make_credential().credential
    send(statement(), credential=source)
    tally.tally(now=LATER)
    tally.recount(now=LATER)
    send(statement(), credential=source, now=NOW - timedelta(hours=1))

    assert tally.recount(now=LATER + timedelta(hours=23)) == 0
    assert tally.recount(now=LATER + timedelta(hours=24)) == 1


# --- the database's promises -----------------------------------------------------------------------------------


def test_one_tally_per_source_and_day() -> None:
    source = make_credential().credential
    SourceDay.objects.create(source=source, day=TODAY, last_at=NOW)

    with pytest.raises(IntegrityError, match="one_tally_per_source_and_day"):
        SourceDay.objects.create(source=source, day=TODAY, last_at=NOW)


@pytest.mark.parametrize(
    "counts",
    [
        {"parked": 1},
        {"read": 1},
        {"statements": 2, "read": 2, "events": 1, "twins": 2},
        {"results": 1, "unscored": 2},
        {"misdated": 1},
        {"statements": 1, "read": 1, "deriving": 1, "outside": 2},
    ],
    ids=str,
)
def test_a_part_of_a_tally_is_no_more_than_the_whole(counts: dict[str, int]) -> None:
    source = make_credential().credential

    with pytest.raises(IntegrityError, match="a_part_of_a_tally_is_no_more_than_the_whole"):
        SourceDay.objects.create(source=source, day=TODAY, last_at=NOW, **counts)


def test_there_is_one_tally_mark() -> None:
    with pytest.raises(IntegrityError, match="there_is_one_tally_mark"):
        TallyMark.objects.create(pk=2)


def test_a_term_is_noted_once_per_source_and_is_a_verb_or_a_type() -> None:
    source = make_credential().credential
    fields: dict[str, Any] = {"source": source, "key": 1, "iri": "urn:x", "seen": 1}
    fields |= {"first_seen_at": NOW, "last_seen_at": NOW}
    SourceTerm.objects.create(kind="verb", **fields)

    with pytest.raises(IntegrityError, match="a_term_is_noted_once_per_source"), transaction.atomic():
        SourceTerm.objects.create(kind="verb", **fields)
    with pytest.raises(IntegrityError, match="a_term_is_a_verb_or_a_type"):
        SourceTerm.objects.create(kind="noun", **fields)
