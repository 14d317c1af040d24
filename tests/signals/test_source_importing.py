"""Facts of other sources: once whatever is repeated, corrected without a trace lost, and traceable to their row."""

from datetime import timedelta
from io import StringIO
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from learners.identity import employee_hash
from learners.models import Learner
from signals.models import (
    AwaitedEmployee,
    Event,
    Feed,
    ImportRun,
    Lineage,
    Quarantined,
    Statement,
    Verb,
)
from signals.normalize import resolve_parked
from signals.privacy import erase, export
from signals.rebuild import rebuild
from signals.sources import SOURCES, FileRefused, Origin, bring_in
from signals.sources.importing import AlreadyTakenIn, origin_of
from signals.sources.people import name_awaited
from tests.support.sources import NOW, bring, counts, known

pytestmark = pytest.mark.django_db

FILE = """person,credential,issued,expires
anna@example.com,First aid,2025-05-01,2027-05-01
bert@example.com,First aid,2025-06-01,
"""


def rows_of_everything() -> list[int]:
    return [model.objects.count() for model in (Statement, Event, Lineage, Quarantined)]


def test_it_makes_an_event_of_every_row() -> None:
    anna, bert = known(), known("bert@example.com")

    report = bring("certificates", FILE)

    assert counts(report) == {"new": 2}
    assert {(event.learner_id, event.verb) for event in Event.objects.all()} == {
        (anna.pk, Verb.EARNED),
        (bert.pk, Verb.EARNED),
    }


def test_it_changes_nothing_when_the_same_file_comes_again() -> None:
    known(), known("bert@example.com")
    bring("certificates", FILE)
    before = rows_of_everything()

    report = bring("certificates", FILE, now=NOW + timedelta(days=1))

    assert counts(report) == {"same": 2}
    assert rows_of_everything() == before


def test_it_voids_what_a_corrected_row_replaces() -> None:
    known(), known("bert@example.com")
    bring("certificates", FILE)

    report = bring("certificates", FILE.replace("2027-05-01", "2028-05-01"), now=NOW + timedelta(days=1))

    assert counts(report) == {"same": 1, "changed": 1}
    assert Event.objects.filter(voided_seq__isnull=True).count() == 2
    assert Event.objects.filter(voided_seq__isnull=False).count() == 1
    assert Statement.objects.filter(voided_at__isnull=False).count() == 1
    assert Lineage.objects.filter(replaced_at__isnull=False).count() == 1


def test_it_takes_a_correction_back_when_the_first_wording_returns() -> None:
    known(), known("bert@example.com")
    other = FILE.replace("2027-05-01", "2028-05-01")
    for number, content in enumerate((FILE, other, FILE)):
        report = bring("certificates", content, now=NOW + timedelta(days=number))

    assert counts(report) == {"same": 1, "changed": 1}
    assert Event.objects.filter(voided_seq__isnull=True).count() == 2
    assert [row.revision for row in Lineage.objects.order_by("revision")] == [0, 0, 1, 2]


def test_it_says_in_a_preview_what_it_would_do_and_does_nothing() -> None:
    known(), known("bert@example.com")
    bring("certificates", FILE)
    before = rows_of_everything()
    changed = FILE.replace("2027-05-01", "2028-05-01") + "carl@example.com,First aid,2025-05-01,\nx,y,z,\n"

    report = bring("certificates", changed, dry_run=True)

    assert counts(report) == {"new": 1, "same": 1, "changed": 1, "waiting": 1, "refused": 1}
    assert rows_of_everything() == before
    assert ImportRun.objects.count() == 1
    assert report.lines() == [
        "line 4: is about somebody we do not know. It is kept and waits: add them to the roster, or the name this "
        "source has for them to their identifiers.",
        "line 5: issued is no date. Write it as 2026-03-31.",
        "4 rows: 1 new, 1 same as before, 1 changed, 1 about people we do not know, 1 refused.",
    ]


def test_it_keeps_what_is_about_people_nobody_knows_until_somebody_does() -> None:
    bring("certificates", FILE)
    anna = known()

    resolve_parked(now=NOW + timedelta(hours=1))

    assert [event.learner_id for event in Event.objects.all()] == [anna.pk]


def test_it_knows_people_by_their_employee_number() -> None:
    anna = known(number="A17")

    bring("certificates", "person,credential,issued\na17,First aid,2025-05-01\n")

    assert Event.objects.get().learner_id == anna.pk


def test_it_waits_for_an_employee_number_the_roster_does_not_have_yet() -> None:
    bring("certificates", "person,credential,issued\nA17,First aid,2025-05-01\n")
    assert not name_awaited(now=NOW)

    anna = Learner.objects.create(employee_hash=employee_hash("A17"), employee_number="A17")
    named = [name_awaited(now=NOW), name_awaited(now=NOW)]
    resolve_parked(now=NOW + timedelta(hours=1))

    assert named == [1, 0]
    assert Event.objects.get().learner_id == anna.pk
    assert not AwaitedEmployee.objects.exists()


def test_it_gives_a_number_that_somebody_else_has_now_to_them() -> None:
    old = known(number="A17")
    bring("certificates", "person,credential,issued\nA17,First aid,2025-05-01\n")
    Learner.objects.filter(pk=old.pk).update(employee_hash=None, employee_number="")
    new = Learner.objects.create(employee_hash=employee_hash("A17"), employee_number="A17")

    bring("certificates", "person,credential,issued\nA17,Forklift,2026-03-01\n", now=NOW + timedelta(days=30))

    assert Event.objects.order_by("occurred_at").last().learner_id == new.pk  # type: ignore[union-attr]


def test_it_refuses_two_rows_that_say_different_things_about_the_same() -> None:
    known()
    twice = "person,credential,issued,expires\n" + "".join(
        f"anna@example.com,First aid,2025-05-01,{expires}\n"
        for expires in ("2027-05-01", "2027-05-01", "2029-05-01")
    )

    report = bring("certificates", twice)

    assert counts(report) == {"new": 1, "same": 1, "refused": 1}
    assert str(report.problems[0]).startswith("line 4: says something else than line 2")


def test_it_keeps_the_old_fact_when_its_correction_cannot_be_taken_in() -> None:
    known()
    number = "person,credential,issued,certificate_id\nanna@example.com,First aid,{},7\n"
    bring("certificates", number.format("2025-05-01"))

    report = bring("certificates", number.format("2031-05-01"))

    assert counts(report) == {"quarantined": 1}
    assert Event.objects.get().voided_seq is None
    assert Quarantined.objects.count() == 1
    assert Lineage.objects.get().replaced_at is None


def test_it_does_not_take_over_a_statement_whose_lineage_was_lost() -> None:
    known(), known("bert@example.com")
    bring("certificates", FILE)
    Lineage.objects.all().delete()

    same = bring("certificates", FILE)
    Lineage.objects.all().delete()
    other = bring("certificates", FILE.replace("2027-05-01", "2028-05-01"))

    assert counts(same) == {"new": 2}
    assert counts(other) == {"new": 1, "quarantined": 1}
    assert (Statement.objects.count(), Lineage.objects.count(), Quarantined.objects.count()) == (2, 1, 1)


def test_it_knows_the_file_row_and_run_of_every_fact() -> None:
    known(), known("bert@example.com")
    bring("certificates", FILE)

    event = Event.objects.order_by("-occurred_at").first()
    assert event is not None
    origin = origin_of(event.statement_id)

    assert origin is not None
    assert (origin.line, origin.run.file_name, origin.run.source) == (3, "file.csv", "certificates")
    assert origin.run.finished_at is not None


def test_it_gives_nobody_away_in_ids_and_rows() -> None:
    known(), known("bert@example.com")
    bring("certificates", FILE)

    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(t)::text FROM signals_lineage t")
        text = "".join(row[0] for row in cursor.fetchall())
        cursor.execute("SELECT row_to_json(t)::text FROM signals_importrun t")
        text += "".join(row[0] for row in cursor.fetchall())

    assert "anna" not in text
    assert "file.csv" not in text


def test_it_forgets_the_lineage_of_somebody_who_is_erased() -> None:
    anna = known()
    known("bert@example.com")
    bring("certificates", FILE)
    assert export(anna.pk)["sources"][0]["line"] == 2

    gone = erase(anna.pk, now=NOW)

    assert gone["lineage"] == 1
    assert Lineage.objects.count() == 1


def test_it_is_rebuilt_from_its_statements_alone() -> None:
    known(), known("bert@example.com")
    bring("certificates", FILE)
    bring("certificates", FILE.replace("2027-05-01", "2028-05-01"), now=NOW + timedelta(hours=1))
    before = {
        (event.statement_id, event.occurred_at, event.verb) for event in Event.objects.filter(voided_seq=None)
    }

    done = rebuild(now=NOW + timedelta(days=1))

    assert done.events == 0
    assert before == {
        (event.statement_id, event.occurred_at, event.verb) for event in Event.objects.filter(voided_seq=None)
    }


def test_it_keeps_with_the_run_what_was_to_mend() -> None:
    bring("certificates", "person,credential,issued\nanna@example.com,First aid,soon\n")

    assert ImportRun.objects.get().problems == [[2, "issued is no date", "Write it as 2026-03-31."]]


def test_it_takes_a_delivery_once() -> None:
    feed = Feed.objects.create(source="certificates", name="hook", created_at=NOW)
    origin = Origin(feed=feed, delivery="d-1")
    bring_in(SOURCES["certificates"], [], clock=lambda: NOW, origin=origin)

    with pytest.raises(AlreadyTakenIn):
        bring_in(SOURCES["certificates"], [], clock=lambda: NOW, origin=origin)


def test_the_database_keeps_one_run_a_delivery() -> None:
    feed = Feed.objects.create(source="certificates", name="hook", created_at=NOW)
    values = {"feed": feed, "delivery": "d-1", "source": "certificates", "started_at": NOW}
    ImportRun.objects.create(**values)

    with pytest.raises(IntegrityError, match="a_delivery_is_taken_once"), transaction.atomic():
        ImportRun.objects.create(**values)


def test_the_database_keeps_one_statement_a_fact_and_revision() -> None:
    run = ImportRun.objects.create(source="certificates", started_at=NOW)
    values = {"run": run, "line": 1, "source": "certificates", "key": b"k" * 16, "digest": b"d" * 16}
    Lineage.objects.create(statement_id=uuid4(), **values)

    with pytest.raises(IntegrityError, match="a_fact_has_one_statement_a_revision"), transaction.atomic():
        Lineage.objects.create(statement_id=uuid4(), replaced_at=NOW, **values)
    with pytest.raises(IntegrityError, match="a_fact_holds_once"), transaction.atomic():
        Lineage.objects.create(statement_id=uuid4(), revision=1, **values)


def test_the_database_lets_no_run_end_before_it_starts() -> None:
    with pytest.raises(IntegrityError, match="a_run_ends_after_it_starts"), transaction.atomic():
        ImportRun.objects.create(
            source="certificates", started_at=NOW, finished_at=NOW - timedelta(seconds=1)
        )


def test_it_names_the_columns_a_file_lacks() -> None:
    with pytest.raises(FileRefused, match="lacks the columns credential, issued"):
        bring("certificates", "person,expires\na,b\n")

    assert ImportRun.objects.get().missing_columns == ["credential", "issued"]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "lacks the columns"),
        (b"\xff\x00person", "not UTF-8"),
        (b'person,credential,issued\n"a', "never closed"),
    ],
)
def test_it_says_what_is_wrong_with_a_file_that_is_none(content: bytes, fault: str) -> None:
    try:
        told = "\n".join(bring("certificates", content, dry_run=True).lines())
    except FileRefused as refused:
        told = str(refused)

    assert any(part in told for part in fault.split("|"))


def test_it_reads_what_spreadsheets_save() -> None:
    known()
    german = "\ufeffPerson;Credential;Issued\r\nanna@example.com;Erste Hilfe;2025-05-01\r\n"
    wide = "person\tcredential\tissued\nanna@example.com\tErste Hilfe\t2025-05-01\n".encode("utf-16")

    assert counts(bring("certificates", german)) == {"new": 1}
    assert counts(bring("certificates", wide)) == {"same": 1}


def test_the_command_previews_and_imports(tmp_path: Path) -> None:
    known(), known("bert@example.com")
    path = tmp_path / "certificates.csv"
    path.write_text(FILE)

    out = StringIO()
    call_command("import_source", "certificates", str(path), "--dry-run", stdout=out)
    assert out.getvalue() == "2 rows: 2 new.\nDry run: nothing was changed.\n"
    assert not Statement.objects.exists()

    call_command("import_source", "certificates", str(path), stdout=StringIO())
    assert Event.objects.count() == 2


def test_the_command_names_the_settings_there_are(tmp_path: Path) -> None:
    path = tmp_path / "meeting.csv"
    path.write_text("person\n")

    with pytest.raises(CommandError, match="has no setting colour; it has: dates"):
        call_command("import_source", "meetings", str(path), "--set", "colour=red")
