"""The cold store's files: whole or not there, readable by us alone, and the same rows as PostgreSQL had."""

import datetime as dt
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.utils import timezone

from consent.models import AuditEntry
from learners.models import Enrolment
from signals.archive import cooling, files
from signals.archive.schemas import EVENT_COLUMNS, schema
from signals.archive.write import archive, due
from signals.models import ArchiveFile, Event, Statement
from signals.table_hashes import TABLES
from tests.support.knowledge import day, enrolled
from tests.support.signals import make_credential, send, statement

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("cold_store")]
KINDS = ArchiveFile.Kind
# `enrolled()` begins on 5 January 2026.
JANUARY, FEBRUARY = dt.date(2026, 1, 1), dt.date(2026, 2, 1)


@pytest.fixture
def history() -> Enrolment:
    """Four pages and a score in January, one page in February; all stored in February."""
    enrolment = enrolled()
    send(
        *[statement("experienced", f"https://lms.example.com/page/{n}", at=day(n)) for n in range(4)],
        statement("scored", "https://lms.example.com/quiz/1", at=day(4), scaled=0.3),
        statement("experienced", "https://lms.example.com/page/5", at=day(30)),
        credential=make_credential().credential,
        now=day(31),
    )
    return enrolment


def rows_of(file: ArchiveFile) -> list[dict[str, Any]]:
    return [row for table in files.batches(file) for row in table.to_pylist()]


def test_it_writes_each_whole_month_once(history: Enrolment) -> None:
    done = archive(now=day(80))

    assert [(file.kind, file.month, file.rows) for file in done.files] == [
        ("event", JANUARY, 5),
        ("event", FEBRUARY, 1),
        ("statement", FEBRUARY, 6),
    ]
    assert archive(now=day(80)).files == []
    assert due(now=day(120)) == []


def test_it_leaves_the_month_that_is_not_over(history: Enrolment) -> None:
    assert {month.month for month in due(now=day(40))} == {JANUARY}
    assert {month.month for month in due(now=day(80), before=FEBRUARY)} == {JANUARY}


def test_it_keeps_every_value_of_an_event(history: Enrolment) -> None:
    archive(now=day(80))

    kept = {row["statement_id"]: row for row in rows_of(ArchiveFile.objects.get(kind="event", month=JANUARY))}
    for event in Event.objects.filter(occurred_at__lt=day(27)):
        row = kept.pop(event.statement_id.bytes)
        assert row.pop("is_result") is (event.verb == 10)
        assert row.pop("is_item") is False
        assert (row.pop("statement_id"), row.pop("learner_id")) == (
            event.statement_id.bytes,
            event.learner_id.bytes,
        )
        assert row == {name: getattr(event, name) for name in row}
    assert kept == {}


def test_it_has_a_place_for_every_column_of_an_event() -> None:
    columns = {field.column for field in Event._meta.concrete_fields}

    assert columns == set(EVENT_COLUMNS)
    assert {field.name for field in schema("event")} == columns | {"is_result", "is_item"}
    assert set(cooling._PACKERS) == columns
    assert columns - {"known_seq"} <= set(TABLES["events"][2].replace(",", " ").split())


def test_it_keeps_statements_as_they_were_sent(history: Enrolment) -> None:
    raw = b'{"actor":{"account":{"homePage":"https://lms.example.com","name":"person-0001"}},  "verb":{"id":'
    raw += b'"http://adlnet.gov/expapi/verbs/experienced"},"object":{"id":"https://lms.example.com/x"}}'
    send(raw, credential=make_credential(name="other").credential, now=day(33))

    archive(now=day(80))

    assert raw in [row["raw"] for row in rows_of(ArchiveFile.objects.get(kind="statement"))]


def test_it_says_in_the_manifest_what_the_file_holds(history: Enrolment, cold_store: Path) -> None:
    archive(now=day(80))

    file = ArchiveFile.objects.get(kind="event", month=JANUARY)
    path = cold_store / file.name
    assert (file.first_at, file.last_at) == (day(0), day(4))
    assert file.bytes == path.stat().st_size
    assert bytes(file.sha256) == files.sha256_of(path)
    assert file.verified_at == file.archived_at == day(80)
    assert len(file.key_id) == 8
    assert path.stat().st_mode & 0o077 == 0
    assert AuditEntry.objects.filter(action="archive.written").count() == 3


def test_nobody_reads_a_file_without_the_ring(history: Enrolment, cold_store: Path) -> None:
    import pyarrow.parquet as pq

    archive(now=day(80))

    for file in ArchiveFile.objects.all():
        content = (cold_store / file.name).read_bytes()
        assert b"person-0001" not in content and history.learner_id.bytes not in content
        assert b"learner_id" not in content  # not even the columns' names
        with pytest.raises(OSError, match="no decryption found"):
            pq.ParquetFile(cold_store / file.name)


def test_a_file_cannot_stand_in_for_another(history: Enrolment, cold_store: Path) -> None:
    archive(now=day(80))
    one, other = ArchiveFile.objects.filter(kind="event")
    (cold_store / one.name).write_bytes((cold_store / other.name).read_bytes())

    with pytest.raises(files.ArchiveUnreadable):
        files.check_kept(one)
    with pytest.raises(files.ArchiveUnreadable):
        rows_of(one)


def test_it_says_which_file_is_missing(history: Enrolment, cold_store: Path) -> None:
    archive(now=day(80))
    file = ArchiveFile.objects.filter(kind="event").first()
    assert file is not None
    (cold_store / file.name).unlink()

    with pytest.raises(files.ArchiveUnreadable, match=file.name):
        files.check_kept(file)
    with pytest.raises(files.ArchiveUnreadable, match=file.name):
        rows_of(file)


def test_what_comes_late_has_its_month_written_again(
    history: Enrolment,
    cold_store: Path,
    django_capture_on_commit_callbacks: Any,
) -> None:
    archive(now=day(80))
    before = ArchiveFile.objects.get(kind="event", month=JANUARY).name
    send(
        statement("experienced", at=day(10)), credential=make_credential(name="late").credential, now=day(81)
    )

    with django_capture_on_commit_callbacks(execute=True):
        done = archive(now=day(82))

    assert [(file.month, file.rows) for file in done.files] == [(JANUARY, 6)]
    assert not (cold_store / before).exists()
    assert (cold_store / done.files[0].name).exists()


def test_a_failed_write_leaves_nothing_behind(
    history: Enrolment,
    cold_store: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*args: Any) -> None:
        raise files.ArchiveUnreadable("does not read back")

    monkeypatch.setattr(files, "check", broken)
    with pytest.raises(files.ArchiveUnreadable):
        archive(now=day(80))
    monkeypatch.undo()

    assert not ArchiveFile.objects.exists()
    archive(now=day(80))
    assert {path.name for path in cold_store.rglob("*.parquet*")} == {
        Path(name).name for name in ArchiveFile.objects.values_list("name", flat=True)
    }


def test_reading_back_notices_another_content(history: Enrolment) -> None:
    from signals.archive import contents

    written = files.write("event", JANUARY, contents.batches("event", JANUARY))

    files.check(written, "event")
    with pytest.raises(files.ArchiveUnreadable, match="as it was written"):
        files.check(written._replace(digest=written.digest + 1), "event")


def test_a_month_is_archived_once(history: Enrolment) -> None:
    archive(now=day(80))
    file = ArchiveFile.objects.filter(kind="event").earliest("month")

    for change, promise in (
        ({"pk": None, "name": "another"}, "a_month_is_archived_once"),
        ({"month": dt.date(2026, 1, 2)}, "an_archived_month_is_named_by_its_first_day"),
        ({"verified_at": None, "cooled_at": day(81)}, "nothing_is_dropped_that_was_not_read_back"),
    ):
        broken = ArchiveFile.objects.get(pk=file.pk)
        for name, value in change.items():
            setattr(broken, name, value)
        with pytest.raises(IntegrityError, match=promise), transaction.atomic():
            broken.save()


def test_the_command_says_what_it_would_write_and_then_writes_it(history: Enrolment) -> None:
    out = StringIO()
    call_command("archive", before="2026-02", dry_run=True, stdout=out)
    assert "2026-01 event" in out.getvalue() and "1 files would be written" in out.getvalue()
    assert not ArchiveFile.objects.exists()

    out = StringIO()
    call_command("archive", stdout=out)
    assert "3 files written: 12 rows" in out.getvalue()
    assert Statement.objects.count() == 6
    assert ArchiveFile.objects.filter(archived_at__gt=timezone.now() - dt.timedelta(minutes=1)).count() == 3


def test_the_command_says_how_to_write_a_month() -> None:
    with pytest.raises(CommandError, match="2026-03"):
        call_command("archive", before="March")


def test_it_says_why_it_cannot_write_and_goes_on_once_it_can(
    history: Enrolment,
    cold_store: Path,
) -> None:
    cold_store.touch()  # a file where the directory should be: stands for a full or read-only disk

    with pytest.raises(CommandError, match=r"ARCHIVE_DIR\): Not a directory\. Nothing is lost"):
        call_command("archive", stdout=StringIO())

    assert not ArchiveFile.objects.exists()
    cold_store.unlink()
    call_command("archive", stdout=StringIO())
    assert ArchiveFile.objects.exists()


def test_a_person_in_a_file_that_is_missing_is_not_half_erased(
    history: Enrolment,
    cold_store: Path,
) -> None:
    archive(now=day(80))
    cooling.cool(JANUARY, now=day(80))
    (cold_store / ArchiveFile.objects.get(kind="event", month=JANUARY).name).unlink()
    before = Event.objects.count()

    with pytest.raises(CommandError, match="Nothing was erased"):
        call_command("subject_erase", str(history.learner_id), "--yes", stdout=StringIO())
    with pytest.raises(CommandError, match="Nothing was exported"):
        call_command("subject_export", str(history.learner_id), stdout=StringIO())

    assert Event.objects.count() == before


def test_it_leaves_the_files_of_another_database_alone(history: Enrolment, cold_store: Path) -> None:
    archive(now=day(80))
    ours = set(cold_store.rglob("*.parquet"))
    (cold_store / files.OWNER).write_text("another database")
    ArchiveFile.objects.all().delete()  # as an empty database sees the directory

    assert files.sweep() == 0

    assert ours
    assert set(cold_store.rglob("*.parquet")) == ours


def test_it_claims_no_directory_in_which_it_finds_files_it_does_not_know(cold_store: Path) -> None:
    (cold_store / "event").mkdir(parents=True)
    (cold_store / "event" / "2024-01-somebody.parquet").write_bytes(b"PAR1")

    archive(now=day(80))

    assert not (cold_store / files.OWNER).exists()
    assert list(cold_store.rglob("*.parquet"))
