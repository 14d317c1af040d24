"""The Open University importer: the same statements every time, and nothing twice."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import DjangoAssertNumQueries

from coaching.demo.endpoint import Endpoint
from coaching.demo.importing import prepare, send
from coaching.demo.names import FAMILY
from coaching.demo.organisation import DATA
from coaching.demo.oulad import Run, open_tables
from coaching.demo.statements import Writer, shift_to, statements
from learners.models import DeclaredAttribute, Enrolment
from signals.models import Event, Statement

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


def first_days() -> list[bytes]:
    tables = open_tables(DATA)
    (run,) = tables.select(presentations=["2013J"], modules=["AAA"])
    return [
        dated.body for day in statements(tables, Writer(run, 4739), from_day=-10, to_day=-8) for dated in day
    ]


def test_it_writes_the_same_statements_every_time_and_names_nobody() -> None:
    once = first_days()

    assert once == first_days()
    assert len(once) > 100
    assert not any(name.encode() in body for name in FAMILY for body in once[:200])


@pytest.mark.parametrize("later", range(0, 30, 4))
def test_it_shifts_by_whole_weeks_to_that_day_or_just_before(later: int) -> None:
    run = Run("AAA", "2013J", 268)
    wanted = date(2026, 9, 22) + timedelta(days=later)

    shift = shift_to(run, wanted)

    assert shift % 7 == 0
    assert 0 <= (wanted - (run.starts_on + timedelta(days=shift))).days < 7


@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
def test_it_changes_nothing_the_second_time_even_on_a_later_day() -> None:
    tables = open_tables(DATA)
    (run,) = tables.select(presentations=["2013J"], modules=["AAA"])
    endpoint = Endpoint("test import", NOW)
    first = prepare(tables, run, starts_by=date(2026, 9, 24), now=NOW)
    send(tables, first, endpoint, from_day=-10, to_day=-8)
    stored, before = endpoint.totals.stored, (Statement.objects.count(), Event.objects.count())

    again = prepare(tables, run, starts_by=date(2026, 10, 24), now=NOW + timedelta(days=30))
    send(tables, again, endpoint, from_day=-10, to_day=-8)

    assert stored > 100
    assert endpoint.totals.duplicates == stored
    assert endpoint.totals.quarantined == 0
    assert (Statement.objects.count(), Event.objects.count()) == before
    assert again.writer.shift == first.writer.shift
    assert Enrolment.objects.count() == len(first.learners)


@pytest.mark.django_db
@pytest.mark.slow
def test_it_adds_what_an_earlier_import_left_out_and_keeps_what_is_declared() -> None:
    tables = open_tables(DATA)
    (run,) = tables.select(presentations=["2013J"], modules=["AAA"])
    first = prepare(tables, run, starts_by=date(2026, 9, 24), now=NOW)
    learner = first.learners[11391]
    Enrolment.objects.update(earlier_attempts=None, study_load=None)
    DeclaredAttribute.objects.filter(learner=learner).delete()
    DeclaredAttribute.objects.create(learner=learner, name="gender", value="X", source="HR", said_at=NOW)

    call_command("import_oulad", DATA, "--presentation", "2013J", "--people-only")

    enrolment = Enrolment.objects.get(learner=learner)
    assert (enrolment.earlier_attempts, enrolment.study_load) == (0, 240)
    said = {row.name: row.value for row in DeclaredAttribute.objects.filter(learner=learner)}
    assert said == {"gender": "X", "disability": "N", "age_band": "55<=", "deprivation_band": "90-100%"}
    assert not Statement.objects.exists()


@pytest.mark.django_db
@pytest.mark.slow
def test_it_asks_no_more_of_the_database_for_more_people(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    tables = open_tables(DATA)
    (run,) = tables.select(presentations=["2013J"], modules=["AAA"])
    prepare(tables, run, starts_by=date(2026, 9, 24), now=NOW)

    with django_assert_max_num_queries(15):
        prepare(tables, run, starts_by=date(2026, 9, 24), now=NOW)


def test_it_reads_tables_without_what_people_declared(tmp_path: Path) -> None:
    for file in DATA.glob("*.parquet"):
        if file.stem != "studentInfo":
            (tmp_path / file.name).symlink_to(file)
    rows = "code_module,code_presentation,id_student,final_result\nAAA,2013J,11391,Pass\n"
    (tmp_path / "studentInfo.csv").write_text(rows, encoding="utf-8")
    tables = open_tables(tmp_path)
    (run,) = tables.select(presentations=["2013J"], modules=["AAA"])

    (person,) = tables.people(run)

    assert (person.earlier_attempts, person.study_load, person.declared) == (None, None, {})


@pytest.mark.django_db
def test_it_lists_what_there_is_when_asked_for_an_unknown_presentation() -> None:
    with pytest.raises(CommandError, match=r"There is no presentation 2016J .* it has: 2013J"):
        call_command("import_oulad", DATA, "--presentation", "2016J")


@pytest.mark.django_db
def test_it_says_which_tables_it_looks_for_in_an_empty_directory(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="none of the Open University tables"):
        call_command("import_oulad", tmp_path, "--presentation", "2013J")


def test_it_ships_the_sample_with_its_licence_and_attribution() -> None:
    licence = (DATA / "README.md").read_text(encoding="utf-8")

    assert "CC BY 4.0" in licence
    assert "10.1038/sdata.2017.171" in licence
