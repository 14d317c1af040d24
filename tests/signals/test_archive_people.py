"""One person's rights reach the cold store: handed out, erased from every file, and rotated keys."""

import base64
import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from consent import keys, subject_requests
from consent.actors import SYSTEM
from learners.merging.merge import merge
from learners.merging.undo import undo
from learners.models import Enrolment, Identifier
from signals import merging, privacy
from signals.archive import cooling, files, raw
from signals.archive.reading import connect
from signals.archive.write import archive
from signals.models import ArchiveFile, Event, Statement
from signals.xapi import bodies
from tests.support.knowledge import day, enrolled
from tests.support.signals import account, make_credential, send, statement

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("cold_store")]
JANUARY = date(2026, 1, 1)


@pytest.fixture
def two() -> tuple[Enrolment, Enrolment]:
    """Two people: three January events and one February event each, January cold, February archived."""
    people = enrolled("person-0001"), enrolled("person-0002")
    credential = make_credential(name="before").credential
    for number, at in enumerate((1, 2, 3)):
        send(
            *[
                statement("completed" if number == 2 else "experienced", actor=account(name), at=day(at))
                for name in ("person-0001", "person-0002")
            ],
            credential=credential,
            now=day(at),
        )
    send(
        *[statement(actor=account(name), at=day(30)) for name in ("person-0001", "person-0002")],
        credential=credential,
        now=day(30),
    )
    archive(now=day(60))
    cooling.cool(JANUARY, now=day(60))
    raw.release(JANUARY, now=day(60))
    return people


def held() -> dict[bytes, int]:
    """Learner → events in the cold store."""
    with connect() as duck:
        return dict(duck.execute("SELECT learner_id, count(*) FROM event GROUP BY 1").fetchall())


def raws() -> bytes:
    found = b""
    for file in ArchiveFile.objects.filter(kind="statement"):
        for table in files.batches(file):
            found += b"".join(table.column("raw").to_pylist())
    return found


def test_export_tells_of_cold_events_and_cold_statements(two: tuple[Enrolment, Enrolment]) -> None:
    found = privacy.export(two[0].learner_id)

    # The completion of January stays in PostgreSQL.
    assert [row["at"] for row in found["archived_events"]] == [day(n).isoformat() for n in (1, 2)]
    assert [row["at"] for row in found["events"]] == [day(n).isoformat() for n in (3, 30)]
    assert len(found["statements"]) == 4
    assert {row["statement"]["actor"]["account"]["name"] for row in found["statements"]} == {"person-0001"}


def test_erasing_takes_the_person_out_of_every_file(
    two: tuple[Enrolment, Enrolment],
    cold_store: Path,
    django_capture_on_commit_callbacks: Any,
) -> None:
    gone, stays = two[0].learner_id, two[1].learner_id
    before = {file.name: bytes(file.sealed_key) for file in ArchiveFile.objects.all()}

    with django_capture_on_commit_callbacks(execute=True):
        request = subject_requests.erase(subject=gone, by=SYSTEM, now=day(61))

    assert request.receipt["stores"]["signals.archived_events"] == 4
    assert request.receipt["stores"]["signals.archived_statements"] == 4
    assert held() == {stays.bytes: 4}
    assert b"person-0001" not in raws() and raws().count(b"person-0002") == 4
    # Every file that held them is another one now, under another key; nothing of the old ones is left.
    kept = {file.name: bytes(file.sealed_key) for file in ArchiveFile.objects.all()}
    assert not before.keys() & kept.keys()
    assert {f"{path.parent.name}/{path.name}" for path in cold_store.rglob("*.*")} == set(kept)
    assert all(bodies.unseal(bytes(row.body)).raw for row in Statement.objects.all())


def test_erasing_finds_statements_through_cold_events_alone(two: tuple[Enrolment, Enrolment]) -> None:
    # The identifier they came under is no longer the person's.
    Identifier.objects.filter(learner=two[0].learner_id).delete()

    counts = privacy.erase(two[0].learner_id, now=day(61))

    assert (counts["statements"], counts["archived_statements"], counts["archived_events"]) == (4, 4, 4)
    assert b"person-0001" not in raws()


def test_a_merged_persons_cold_events_come_along(two: tuple[Enrolment, Enrolment]) -> None:
    gone, kept = two[0].learner_id, two[1].learner_id
    with transaction.atomic():
        merging.lock([gone, kept])
        assert Event.objects.filter(learner_id=gone).count() == 4
        Event.objects.filter(learner_id=gone).update(learner_id=kept)

    # Before the months are archived again, files still say the old uuid; the statements lead there all the same.
    assert len(privacy.export(kept)["events"]) == 8
    archive(now=day(62))
    assert held() == {kept.bytes: 8}


def test_erasing_reaches_cold_events_under_a_merged_uuid(two: tuple[Enrolment, Enrolment]) -> None:
    gone, kept = two[0].learner_id, two[1].learner_id
    merging.lock([gone, kept])
    Event.objects.filter(learner_id=gone).update(learner_id=kept)

    assert privacy.erase(kept, now=day(62))["archived_events"] == 8

    assert held() == {}


def test_after_an_undone_merge_each_has_their_own_cold_past(two: tuple[Enrolment, Enrolment]) -> None:
    """The months were archived while both were one, so the files say so until they are archived again."""
    gone, kept = two[0].learner_id, two[1].learner_id
    before = privacy.export(gone)
    done = merge(duplicate=gone, into=kept, by=SYSTEM, now=day(61))
    archive(now=day(62))
    cooling.cool(JANUARY, now=day(62))
    assert held() == {kept.bytes: 8}

    undo(merge_id=done.pk, by=SYSTEM, now=day(63))

    own = privacy.export(gone)
    assert own["statements"] == before["statements"]
    assert len(own["events"] + own["archived_events"]) == 4
    other = privacy.export(kept)
    assert len(other["statements"]) == 4
    assert len(other["events"] + other["archived_events"]) == 4

    privacy.erase(kept, now=day(64))

    assert raws().count(b"person-0001") == 4 and b"person-0002" not in raws()
    assert len(privacy.export(gone)["events"]) == 4
    archive(now=day(65))
    assert held() == {gone.bytes: 4}


def test_an_actor_taken_for_somebody_leaves_the_cold_store(two: tuple[Enrolment, Enrolment]) -> None:
    actor = bytes(Statement.objects.filter(pk__in=_made_from(two[0].learner_id))[0].actor)

    assert merging.forget_actor(actor, two[0].learner_id, now=day(62)) == 4

    assert held() == {two[1].learner_id.bytes: 4}


def _made_from(learner: Any) -> list[Any]:
    return list(Event.objects.filter(learner_id=learner).values_list("statement_id", flat=True))


def test_erasing_touches_no_file_without_the_person(
    two: tuple[Enrolment, Enrolment], django_capture_on_commit_callbacks: Any
) -> None:
    third = enrolled("person-0003")
    send(
        statement(actor=account("person-0003"), at=day(31)),
        credential=make_credential().credential,
        now=day(31),
    )
    with django_capture_on_commit_callbacks(execute=True):
        archive(now=day(60))
    january = set(ArchiveFile.objects.filter(month=JANUARY).values_list("name", flat=True))

    with django_capture_on_commit_callbacks(execute=True):
        subject_requests.erase(subject=third.learner_id, by=SYSTEM, now=day(61))

    assert set(ArchiveFile.objects.filter(month=JANUARY).values_list("name", flat=True)) == january
    assert set(held()) == {two[0].learner_id.bytes, two[1].learner_id.bytes}


def test_an_erasure_that_fails_leaves_every_file_as_it_was(
    two: tuple[Enrolment, Enrolment],
    cold_store: Path,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    before = held()

    with pytest.raises(RuntimeError), transaction.atomic():
        privacy.erase(two[0].learner_id, now=day(61))
        raise RuntimeError("something further up failed")

    assert held() == before
    with django_capture_on_commit_callbacks(execute=True):
        archive(now=day(60))  # sweeps what the failed one left
    assert {f"{path.parent.name}/{path.name}" for path in cold_store.rglob("*.*")} == set(
        ArchiveFile.objects.values_list("name", flat=True)
    )


def test_rotation_turns_the_keys_and_leaves_the_files(
    two: tuple[Enrolment, Enrolment], settings: Any
) -> None:
    files_before = {file.name: bytes(file.sha256) for file in ArchiveFile.objects.all()}
    old_key = ArchiveFile.objects.all()[0].key_id
    added = f"new:{base64.b64encode(os.urandom(32)).decode()}"
    old_ring = settings.FIELD_KEYS
    settings.FIELD_KEYS = f"{old_ring},{added}"

    changed = keys.rotate()

    assert changed >= ArchiveFile.objects.count()
    index = next(entry for entry in old_ring.split(",") if entry.startswith("index:"))
    settings.FIELD_KEYS = f"{index},{added}"
    assert {file.name: bytes(file.sha256) for file in ArchiveFile.objects.all()} == files_before
    assert old_key not in {file.key_id for file in ArchiveFile.objects.all()}
    for file in ArchiveFile.objects.all():
        files.check_kept(file)
    assert sum(held().values()) == 8
    assert all(bodies.unseal(bytes(row.body)).raw for row in Statement.objects.all())
    assert keys.rotate() == 0
