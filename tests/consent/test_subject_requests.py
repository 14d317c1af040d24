"""Access, erasure and objection: one transaction each, with a receipt."""

import json
import stat
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from consent import gate, record, subject_requests
from consent.models import AuditEntry, ConsentChange, Standing, SubjectRequest
from consent.scopes import Scope
from learners.models import Learner
from tests.support.consent import ADMIN, NOW, OTHER, PERSON, SUBJECT, Elsewhere, privacy_module


@pytest.fixture
def log() -> list[tuple[Any, ...]]:
    return []


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch, log: list[tuple[Any, ...]]) -> None:
    """Two apps: the upper one holds three rows of the person, the lower one the person."""
    found = (
        ("signals", privacy_module(log, erased={"events": 3})),
        ("learners", privacy_module(log, erased={"learner": 1})),
    )
    for module in (record, subject_requests):
        monkeypatch.setattr(module, "privacy_modules", lambda: found)


@pytest.mark.django_db
@pytest.mark.usefixtures("modules")
def test_it_exports_every_app_and_leaves_a_receipt() -> None:
    found = subject_requests.export(subject=SUBJECT, by=ADMIN, now=NOW)

    assert found["subject"] == str(SUBJECT)
    assert found["signals"] == {"rows": [str(SUBJECT)]}
    request = SubjectRequest.objects.get()
    assert (request.kind, request.by_uuid) == ("access", ADMIN.uuid)
    assert request.receipt == {"stores": {"learners.rows": 1, "signals.rows": 1}}
    assert AuditEntry.objects.get().action == "subject.exported"


@pytest.mark.django_db
@pytest.mark.usefixtures("modules")
def test_it_erases_from_the_top_down_and_counts_what_went(log: list[tuple[Any, ...]]) -> None:
    request = subject_requests.erase(subject=SUBJECT, by=ADMIN, now=NOW)

    assert request.receipt == {"stores": {"signals.events": 3, "learners.learner": 1}}
    assert [step for step in log if step[0] == "erase"] == [("erase", SUBJECT)] * 2
    assert not any(gate.allows(SUBJECT, scope) for scope in Scope), (
        "nothing is computed about an erased person"
    )


@pytest.mark.django_db
@pytest.mark.usefixtures("modules")
def test_it_leaves_evidence() -> None:
    record.grant(subject=SUBJECT, scope=Scope.RESEARCH, by=PERSON, now=NOW)

    subject_requests.erase(subject=SUBJECT, by=ADMIN, now=NOW)

    assert ConsentChange.objects.filter(subject=SUBJECT, scope="research", allowed=True).exists()
    assert AuditEntry.objects.filter(action="subject.erased", target_uuid=SUBJECT).exists()


@pytest.mark.django_db
def test_it_erases_all_or_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = Learner.objects.create(name="Åsa")

    def fail(*args: Any, **kwargs: Any) -> dict[str, int]:
        Learner.objects.filter(pk=learner.pk).update(name="")
        raise RuntimeError("no")

    monkeypatch.setattr(
        subject_requests, "privacy_modules", lambda: (("signals", privacy_module(erase=fail)),)
    )

    with pytest.raises(RuntimeError):
        subject_requests.erase(subject=learner.pk, by=ADMIN, now=NOW)

    assert Learner.objects.get(pk=learner.pk).name == "Åsa"
    assert not SubjectRequest.objects.exists()
    assert gate.allows(learner.pk, Scope.NUDGE)


@pytest.mark.django_db
def test_it_answers_a_second_erasure_with_the_first_receipt(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [1, 0]
    module = privacy_module(erase=lambda subject, *, now: {"learner": rows.pop(0)})
    monkeypatch.setattr(subject_requests, "privacy_modules", lambda: (("learners", module),))

    first = subject_requests.erase(subject=SUBJECT, by=ADMIN, now=NOW)
    second = subject_requests.erase(subject=SUBJECT, by=ADMIN, now=NOW)

    assert second.pk == first.pk
    assert second.receipt == {"stores": {"learners.learner": 1}}
    assert SubjectRequest.objects.count() == 1


@pytest.mark.django_db
def test_it_leaves_no_trace_of_somebody_it_does_not_know() -> None:
    with pytest.raises(subject_requests.NothingHeld):
        subject_requests.erase(subject=OTHER, by=ADMIN, now=NOW)

    assert not Standing.objects.exists()
    assert not ConsentChange.objects.exists()
    assert not AuditEntry.objects.exists()


@pytest.mark.django_db
@pytest.mark.usefixtures("modules")
def test_it_honours_an_objection_at_once() -> None:
    request = subject_requests.object_to(subject=SUBJECT, scope=Scope.PROFILE, by=PERSON, now=NOW)

    assert not gate.allows(SUBJECT, Scope.PROFILE)
    assert request.receipt == {"scope": "profile", "stores": {"deliveries": 2}}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("modules")
def test_it_makes_a_send_claim_wait_for_an_erasure_and_then_refuses() -> None:
    def send_claim() -> bool:
        with transaction.atomic():
            return gate.lock_and_allows(SUBJECT, Scope.NUDGE)

    with transaction.atomic():
        subject_requests.erase(subject=SUBJECT, by=ADMIN, now=NOW)
        claim = Elsewhere(send_claim)
        assert claim.still_waits()

    assert claim.answer() is False


@pytest.mark.django_db
def test_it_shows_people_their_choices_and_who_looked() -> None:
    from consent import audit, privacy

    record.withdraw(subject=SUBJECT, scope=Scope.NUDGE, by=PERSON, now=NOW)
    audit.record_reads(actor=ADMIN, action="team.read", targets=[SUBJECT, OTHER], now=NOW)

    found = privacy.export(SUBJECT)

    assert found["choices"] == [{"scope": "nudge", "allowed": False, "since": NOW.isoformat()}]
    assert [change["scope"] for change in found["changes"]] == ["nudge"]
    assert [use["action"] for use in found["record_of_use"]] == ["consent.withdrawn", "team.read"]
    assert str(OTHER) not in json.dumps(found), (
        "a page showed others too; they are not this person's business"
    )


@pytest.mark.django_db
def test_it_writes_an_export_that_only_its_owner_can_read(tmp_path: Path) -> None:
    file = tmp_path / "export.json"

    call_command("subject_export", str(SUBJECT), to=file, stdout=StringIO())

    assert json.loads(file.read_text())["subject"] == str(SUBJECT)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.django_db
def test_it_prints_an_export() -> None:
    out = StringIO()

    call_command("subject_export", str(SUBJECT), stdout=out)

    assert json.loads(out.getvalue())["consent"]["choices"] == []


@pytest.mark.django_db
@pytest.mark.usefixtures("modules")
def test_it_prints_the_receipt_of_an_erasure() -> None:
    out = StringIO()

    call_command("subject_erase", str(SUBJECT), yes=True, stdout=out)

    assert json.loads(out.getvalue())["stores"]["signals.events"] == 3


@pytest.mark.django_db
def test_it_says_that_a_uuid_is_nobodys() -> None:
    with pytest.raises(CommandError, match="Check the uuid"):
        call_command("subject_erase", str(OTHER), yes=True)


@pytest.mark.django_db
@pytest.mark.usefixtures("modules")
def test_it_closes_a_file_to_others_that_was_open_to_them(tmp_path: Path) -> None:
    file = tmp_path / "export.json"
    file.touch(0o644)
    file.chmod(0o644)

    call_command("subject_export", str(SUBJECT), to=file, stdout=StringIO())

    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.django_db
@pytest.mark.usefixtures("modules")
def test_it_says_that_a_file_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be written: Is a directory"):
        call_command("subject_export", str(SUBJECT), to=tmp_path, stdout=StringIO())


@pytest.mark.django_db
@pytest.mark.usefixtures("modules")
def test_it_erases_nothing_where_nobody_can_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", StringIO())

    with pytest.raises(CommandError, match="Nothing was erased"):
        call_command("subject_erase", str(SUBJECT))


@pytest.mark.django_db
@pytest.mark.usefixtures("modules")
def test_it_erases_nothing_without_a_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda _: "no")

    with pytest.raises(CommandError, match="Nothing was erased"):
        call_command("subject_erase", str(SUBJECT))

    assert not SubjectRequest.objects.exists()
