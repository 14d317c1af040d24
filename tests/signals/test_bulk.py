"""Features in bulk: what serving gave then, from events alone, and nothing that was known later."""

import os
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from learners.models import CompetencyItem, Course, Enrolment, PlanStep
from signals.archive.cooling import cool
from signals.archive.write import archive
from signals.features.bulk.compute import compute_table
from signals.features.bulk.scratch import scratch
from signals.features.kinds import TYPES
from signals.features.refresh import refresh
from signals.features.serving import computed
from signals.models import AssessmentResult, EnrolmentMark, Event, ItemDifficulty, MasteryFit, Verb
from signals.xapi.keys import activity_key, activity_type_key
from tests.support.knowledge import day, enrolled, make_event, make_result
from tests.support.learners import make_competency

pytestmark = [pytest.mark.django_db]

PAGES = [f"https://lms.example.com/page/{number}" for number in range(4)]
KINDS = [None, *(iris[0] for iris in TYPES.values())]
# Hours and seconds apart, on a few days, so that sessions, silences and ties come about.
moments = st.tuples(
    st.integers(-3, 40),
    st.sampled_from([0, 6, 12, 23]),
    st.sampled_from([0, 4, 10, 31, 59]),
    st.integers(0, 59),
).map(lambda at: day(at[0]) + timedelta(hours=at[1], minutes=at[2], seconds=at[3]))
few_moments = st.one_of(
    moments,
    st.tuples(st.integers(3, 4), st.integers(0, 5400)).map(
        lambda at: day(at[0]) + timedelta(hours=22, seconds=at[1])
    ),
)
acts = st.fixed_dictionaries(
    {
        "who": st.sampled_from([0, 1]),
        "at": few_moments,
        "late": st.sampled_from([0, 0, 0, 3600, 86_400 * 5]),  # seconds until it was known
        "verb": st.sampled_from(
            [
                Verb.EXPERIENCED,
                Verb.COMPLETED,
                Verb.INTERACTED,
                Verb.MEASURED,
                Verb.WAS_RATED,
                Verb.PROGRESSED,
            ]
        ),
        "page": st.sampled_from(PAGES),
        "amount": st.integers(1, 40),
        "type": st.sampled_from(KINDS),
        "duration_s": st.sampled_from([None, None, 0, 90, 2000, 7200, 100_000, -5]),
        "background_s": st.sampled_from([None, None, None, 60, 5000]),
        "session": st.sampled_from([None, None, 1, 2]),
        "progress": st.sampled_from([None, None, 0.25, 0.9]),
        "share": st.sampled_from([None, 0.4, 0.8]),  # a rating's
        "voided": st.sampled_from([None, None, None, None, 7200, 86_400 * 3]),  # seconds after it was known
    }
)
scores = st.fixed_dictionaries(
    {
        "who": st.sampled_from([0, 1]),
        "at": few_moments,
        "page": st.sampled_from(PAGES),
        "scaled": st.none() | st.floats(0, 1, allow_nan=False).map(lambda value: round(value, 4)),
        "success": st.none() | st.booleans(),
        "is_item": st.booleans(),
        "late": st.sampled_from([0, 0, 0, 86_400 * 2]),
        "voided": st.sampled_from([None, None, None, 7200, 86_400 * 3]),
    }
).filter(lambda row: row["scaled"] is not None or row["success"] is not None)


def same(left: Any, right: Any) -> bool:
    """Equal, but for the last digits of a sum."""
    if left is None or right is None or right != right:
        return left is None and (right is None or right != right)
    if isinstance(left, str):
        left = datetime.fromisoformat(left).timestamp()
    return bool(left == pytest.approx(right, rel=1e-9, abs=1e-6))


def make_history(done: list[Any], scored: list[Any]) -> list[Enrolment]:
    """Two people's events, as they happened, were known and were taken back."""
    enrolments = [enrolled("person-0001"), enrolled("person-0002")]
    for number, page in enumerate(PAGES):
        PlanStep.objects.create(
            course=Course.objects.get(), activity_iri=page, name="p", due_day=number * 9, weight=number
        )
    for act in done:
        put_event(enrolments[act["who"]], act)
    if scored:
        make_items()
    for row in scored:
        event = make_result(
            enrolments[row["who"]],
            row["at"],
            scaled=row["scaled"],
            success=row["success"],
            activity=activity_key(row["page"]),
            is_item=row["is_item"],
        )
        known_at = row["at"] + timedelta(seconds=row["late"])
        Event.objects.filter(statement_id=event.statement_id).update(known_at=known_at)
        if row["voided"] is not None:
            void(event.statement_id, known_at + timedelta(seconds=row["voided"]))
    return enrolments


def make_items() -> None:
    """Pages that show two competencies, one of them by all but one page, and how hard three of them are."""
    first, second = make_competency(), make_competency()
    fit = MasteryFit.objects.create(
        fitted_at=day(-9),
        fading=0.8,
        pooled=[0.1, 0.4, 0.7],
        strands={str(first.pk): [0.3, 0.2, 0.5]},
        answers=300,
        learners=30,
        metrics={},
    )
    for number, page in enumerate(PAGES):
        competency = second if number == 0 else first
        CompetencyItem.objects.create(competency=competency, iri=page, name="Item")
        if number < 3:
            ItemDifficulty.objects.create(
                activity=activity_key(page),
                competency=competency,
                difficulty=number - 1.3,
                answers=9,
                fit=fit,
            )


def put_event(enrolment: Enrolment, act: dict[str, Any]) -> None:
    known_at = act["at"] + timedelta(seconds=act["late"])
    event = make_event(
        enrolment,
        act["at"],
        verb=act["verb"],
        activity=activity_key(act["page"]),
        activity_type=None if act["type"] is None else activity_type_key(act["type"]),
        amount=act["amount"],
        duration_s=act["duration_s"],
        background_s=act["background_s"],
        session=act["session"],
        progress=act["progress"],
        scaled=act["share"] if act["verb"] == Verb.WAS_RATED else None,
    )
    Event.objects.filter(statement_id=event.statement_id).update(known_at=known_at)
    if act["voided"] is not None:
        void(event.statement_id, known_at + timedelta(seconds=act["voided"]))


def void(statement_id: UUID, at: datetime) -> None:
    """Notes that a statement was taken back."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO signals_statement (id, stored, verb, actor, search_keys, digest, body, voided_at, parked,"
            " credential_id) VALUES (%s, %s, 1, '', '{}', '', '', %s, false, %s)",
            [statement_id, at, at, uuid4()],
        )
    Event.objects.filter(statement_id=statement_id).update(voided_seq=1)
    AssessmentResult.objects.filter(statement_id=statement_id).update(voided_seq=1)


def as_known_at(enrolments: list[Enrolment], as_of: datetime) -> None:
    """Makes PostgreSQL what it was then: later events are not there yet, later voidings have not come."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM signals_event WHERE occurred_at > %s OR known_at > %s RETURNING statement_id",
            [as_of, as_of],
        )
        AssessmentResult.objects.filter(statement_id__in=[row[0] for row in cursor.fetchall()]).delete()
        for table in ("signals_event", "signals_assessmentresult"):
            cursor.execute(
                f"UPDATE {table} SET voided_seq = NULL WHERE statement_id IN"
                " (SELECT id FROM signals_statement WHERE voided_at > %s)",
                [as_of],
            )
        cursor.execute("DELETE FROM signals_dailyrollup")
        cursor.execute(
            "UPDATE signals_enrolmentmark SET dirty_since = %s, dirty_days = ARRAY(SELECT %s::date + n"
            " FROM generate_series(-5, 60) n)",
            [as_of, day(0).date()],
        )
    assert EnrolmentMark.objects.count() == len(enrolments)


HISTORIES = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
)


@pytest.mark.slow
def test_it_gives_what_serving_gave_then() -> None:
    @HISTORIES
    @given(
        st.lists(acts, max_size=30), st.lists(scores, max_size=12), st.lists(moments, min_size=1, max_size=3)
    )
    def equal(done: list[Any], scored: list[Any], asked: list[datetime]) -> None:
        with transaction.atomic():
            enrolments = make_history(done, scored)
            points = [(enrolment.pk, as_of) for as_of in asked for enrolment in enrolments]
            bulk = compute_table(points)
            for as_of in asked:
                with transaction.atomic():
                    as_known_at(enrolments, as_of)
                    refresh(now=as_of)
                    served = computed([(enrolment.pk, as_of) for enrolment in enrolments])
                    for number, (pk, moment) in enumerate(points):
                        if moment == as_of:
                            for key, value in zip(bulk.keys, bulk.values[number], strict=True):
                                assert same(served[pk][key], float(value)), (key, served[pk][key], value)
                    transaction.set_rollback(True)
            transaction.set_rollback(True)

    equal()


@pytest.mark.slow
def test_it_never_changes_what_was_true_of_a_moment_when_more_becomes_known_later() -> None:
    @HISTORIES
    @given(st.lists(acts, max_size=15), st.lists(acts, min_size=1, max_size=10), moments)
    def unchanged(before: list[Any], more: list[Any], as_of: datetime) -> None:
        with transaction.atomic():
            enrolments = make_history(before, [])
            points = [(enrolment.pk, as_of) for enrolment in enrolments]
            first = compute_table(points)

            for act in more:
                # Either it happened later, or it happened earlier and nobody knew; and some earlier ones are voided.
                shift = max(as_of - act["at"] - timedelta(seconds=act["late"]), timedelta()) + timedelta(
                    seconds=1
                )
                put_event(enrolments[act["who"]], {**act, "late": act["late"] + shift.total_seconds()})
            standing = Event.objects.filter(voided_seq=None, known_at__lte=as_of).first()
            if standing is not None:
                void(standing.statement_id, as_of + timedelta(seconds=1))
            again = compute_table([*points, *((pk, day(90)) for pk, _ in points)])

            for left, right in zip(first.values, again.values, strict=False):
                for key, one, other in zip(first.keys, left, right, strict=True):
                    assert same(None if one != one else float(one), float(other)), key
            transaction.set_rollback(True)

    unchanged()


@pytest.mark.usefixtures("cold_store")
def test_it_reads_the_months_that_only_the_cold_store_has() -> None:
    enrolment = enrolled()
    for number in (1, 2, 40):
        make_event(enrolment, day(number))
    points = [(enrolment.pk, day(30)), (enrolment.pk, day(60))]
    before = compute_table(points)
    archive(now=day(70))
    cool(day(0).date().replace(day=1), now=day(70))
    assert Event.objects.count() == 1

    after = compute_table(points)

    assert after.values[0].tolist() == pytest.approx(before.values[0].tolist(), nan_ok=True)
    assert after.values[1].tolist() == pytest.approx(before.values[1].tolist(), nan_ok=True)


def test_it_counts_a_mark_only_once_it_has_come_back() -> None:
    enrolment = enrolled()
    make_result(enrolment, day(10), scaled=0.5)
    points = [(enrolment.pk, day(12)), (enrolment.pk, day(20))]

    table = compute_table(points, mark_lag_days=7)

    assert table.values[:, table.keys.index("results")].tolist() == [0, 1]


def test_it_leaves_nothing_behind() -> None:
    with scratch() as duck:
        [(where,)] = duck.execute("SELECT current_setting('temp_directory')").fetchall()
        assert Path(where).stat().st_mode & 0o077 == 0

    assert not Path(where).exists()


@pytest.mark.slow
def test_it_spills_what_does_not_fit_and_nothing_in_clear() -> None:
    with scratch(memory="50MB") as duck:
        duck.execute("CREATE TABLE t AS SELECT 'in-clear-' || hash(n) AS said FROM range(3000000) r(n)")
        [(where,)] = duck.execute("SELECT current_setting('temp_directory')").fetchall()

        spilled = b"".join(path.read_bytes() for path in Path(where).iterdir())

        assert len(spilled) > 10_000_000
        assert b"in-clear-" not in spilled
        assert duck.execute("SELECT count(DISTINCT said) FROM t").fetchall() == [(3_000_000,)]


def test_it_removes_what_a_killed_process_left_and_nothing_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left, young, linked = (tmp_path / f"rekindle-bulk-{name}" for name in ("left", "young", "linked"))
    for directory in (left, young, tmp_path / "elsewhere"):
        directory.mkdir()
        (directory / "spilled.tmp").touch()
    linked.symlink_to(tmp_path / "elsewhere")
    os.utime(left, (0, 0))
    os.utime(linked, (0, 0), follow_symlinks=False)

    with scratch() as duck:
        [(where,)] = duck.execute("SELECT current_setting('temp_directory')").fetchall()
        os.utime(where, (0, 0))
        with scratch():
            pass

        assert Path(where).exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "elsewhere",
        "rekindle-bulk-linked",
        "rekindle-bulk-young",
    ]
    assert (tmp_path / "elsewhere" / "spilled.tmp").exists()
