"""The cold store in DuckDB: the same counts and the same features as PostgreSQL, for any history."""

from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from learners.models import Course, PlanStep
from signals.archive.reading import connect, features
from signals.archive.write import archive
from signals.features.refresh import refresh
from signals.features.serving import computed
from signals.models import Event, Verb
from signals.xapi.keys import activity_key
from tests.support.knowledge import day, enrolled, make_event, make_result

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("cold_store")]

PAGES = [f"https://lms.example.com/page/{number}" for number in range(4)]
# Fractions of a second, ties and midnights: where engines might disagree.
offsets = st.one_of(
    st.integers(-20, 75).map(float), st.floats(-20, 75, allow_nan=False).map(lambda value: round(value, 5))
)
acts = st.tuples(
    st.sampled_from([0, 1]),
    offsets,
    st.sampled_from([Verb.EXPERIENCED, Verb.COMPLETED, Verb.PASSED, Verb.INTERACTED, Verb.MEASURED]),
    st.sampled_from(PAGES),
    st.integers(1, 40),
    st.booleans(),
)
scores = st.tuples(
    st.sampled_from([0, 1]),
    offsets,
    st.sampled_from(PAGES),
    st.none() | st.floats(0, 1, allow_nan=False).map(lambda value: round(value, 4)),
    st.none() | st.booleans(),
    st.booleans(),
).filter(lambda row: row[3] is not None or row[4] is not None)


@pytest.mark.slow
def test_it_gives_the_features_that_postgresql_gives() -> None:
    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.lists(acts, max_size=30), st.lists(scores, max_size=12))
    def equal(done: list[Any], scored: list[Any]) -> None:
        with transaction.atomic():
            enrolments = [enrolled("person-0001"), enrolled("person-0002")]
            for number, page in enumerate(PAGES):
                PlanStep.objects.create(
                    course=Course.objects.get(), activity_iri=page, name="p", due_day=number * 9
                )
            for who, at, verb, page, amount, voided in done:
                make_event(
                    enrolments[who],
                    day(at),
                    verb=verb,
                    activity=activity_key(page),
                    amount=amount,
                    voided_seq=1 if voided else None,
                )
            for who, at, page, scaled, success, is_item in scored:
                make_result(
                    enrolments[who],
                    day(at),
                    scaled=scaled,
                    success=success,
                    activity=activity_key(page),
                    is_item=is_item,
                )
            now = day(100)
            refresh(now=now)
            archive(now=now)
            ids = [enrolment.pk for enrolment in enrolments]

            with connect() as duck:
                counts = duck.execute(
                    "SELECT verb, count(*), sum(amount)::BIGINT FROM event GROUP BY 1 ORDER BY 1"
                ).fetchall()
                cold = features(duck, ids, as_of=now)

            with connection.cursor() as cursor:
                cursor.execute("SELECT verb, count(*), sum(amount) FROM signals_event GROUP BY 1 ORDER BY 1")
                assert counts == cursor.fetchall()
            served = computed([(pk, now) for pk in ids])
            assert cold.keys() == served.keys() == set(ids)
            for pk in ids:
                for key, value in served[pk].items():
                    if isinstance(value, float):
                        assert cold[pk][key] == pytest.approx(value, rel=1e-9, abs=1e-9), key
                    else:
                        assert cold[pk][key] == value, key
            transaction.set_rollback(True)

    equal()


def test_it_leaves_out_what_happened_later() -> None:
    enrolment = enrolled()
    make_event(enrolment, day(1))
    make_event(enrolment, day(20))
    archive(now=day(60))

    with connect() as duck:
        found = features(duck, [enrolment.pk], as_of=day(10))

    assert found[enrolment.pk]["last_active_at"] == day(1).isoformat()


def test_it_adds_the_months_that_are_not_archived_yet() -> None:
    enrolment = enrolled()
    make_event(enrolment, day(1))
    make_event(enrolment, day(40))
    archive(now=day(40))

    for with_latest, count in ((False, 1), (True, 2)):
        with connect(with_latest=with_latest) as duck:
            assert duck.execute("SELECT count(*) FROM event").fetchall() == [(count,)]


def test_it_reads_only_the_months_asked_for() -> None:
    enrolment = enrolled()
    make_event(enrolment, day(1))
    make_event(enrolment, day(40))
    archive(now=day(100))

    with connect(months=[day(40).date().replace(day=1)]) as duck:
        assert duck.execute("SELECT count(*) FROM event").fetchall() == [(1,)]


def test_an_empty_cold_store_has_no_events() -> None:
    with connect() as duck:
        assert duck.execute("SELECT count(*) FROM event").fetchall() == [(0,)]


def test_it_cannot_write_clear_text_anywhere(cold_store: Any) -> None:
    import duckdb

    make_event(enrolled(), day(1))
    archive(now=day(60))

    with connect() as duck:
        with pytest.raises(duckdb.Error):
            duck.execute(f"COPY event TO '{cold_store}/clear.parquet'").fetchall()
        with pytest.raises(duckdb.Error):
            duck.execute("SET enable_external_access = true").fetchall()
        assert duck.execute("SELECT current_setting('temp_directory')").fetchall() in ([("",)], [(None,)])
    assert not list(cold_store.rglob("clear*"))
    assert Event.objects.count() == 1
