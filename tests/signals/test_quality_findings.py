"""Findings open and close by themselves, once per source and kind; those who can mend it are told once."""

import smtplib
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.db import IntegrityError, transaction
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from config.stages import BY_NAME
from consent.models import AuditEntry
from learners.models import Role
from signals.models import Credential, DayOff, Finding, SourceTerm, VerbSynonym
from signals.quality import alerts, findings, tally
from tests.support.consent import ADMIN
from tests.support.learners import make_user
from tests.support.quality import DAY, MONDAY, counted_through, make_source, moment_of, put
from tests.support.signals import NOW, account, identify, make_credential, make_learner, send, statement

pytestmark = pytest.mark.django_db
TUESDAY, WEDNESDAY, THURSDAY = MONDAY + DAY, MONDAY + 2 * DAY, MONDAY + 3 * DAY


def morning(day: date) -> int:
    """The stage as it runs on a morning, when everything up to then is counted."""
    counted_through(moment_of(day))
    return findings.inspect(now=moment_of(day))


def kinds() -> list[str]:
    return list(Finding.objects.open().order_by("kind").values_list("kind", flat=True))


def silent(source: Credential, *days: date) -> None:
    for day in days:
        put(source, day, statements=0)


def make_finding(source: Credential | None = None, **more: Any) -> Finding:
    values: dict[str, Any] = {
        "source": source or make_credential().credential,
        "kind": Finding.Kind.VOLUME,
        "opened_at": NOW,
        "last_seen_at": NOW,
        "measured": 0.0,
        "cases": 0,
        "says": "No statements on Mon 2 Mar.",
        "mend": "Ask whoever runs the system.",
    }
    return Finding.objects.create(**{**values, **more})


def test_it_opens_one_finding_and_closes_it_when_the_source_is_back() -> None:
    source = make_source()
    silent(source, MONDAY, TUESDAY)

    days = [
        morning(TUESDAY),
        morning(WEDNESDAY),
        morning(WEDNESDAY),
        findings.inspect(now=moment_of(WEDNESDAY, 9)),
    ]
    opened = Finding.objects.get()
    put(source, WEDNESDAY, statements=950)
    morning(THURSDAY)

    assert days == [0, 1, 0, 0]
    assert (opened.kind, opened.opened_at, opened.measured) == ("volume", moment_of(WEDNESDAY), 0)
    assert opened.low is not None and opened.high is not None and opened.low < 1000 < opened.high
    closed = Finding.objects.get()
    assert (closed.closed_at, closed.ending) == (moment_of(THURSDAY), "recovered")
    assert closed.last_seen_at == moment_of(WEDNESDAY, 9)


def test_it_stays_open_over_the_weekend_and_as_long_as_it_lasts() -> None:
    source = make_source()
    days = [MONDAY + n * DAY for n in range(60)]
    silent(source, *days)

    changes = [morning(day + DAY) for day in days]

    assert sum(changes) == 1
    assert kinds() == ["volume"]


def test_it_judges_no_day_that_is_not_over_and_counted() -> None:
    source = make_source()
    silent(source, MONDAY, TUESDAY)
    counted_through(moment_of(TUESDAY, 23))  # the workers stood still since

    assert findings.inspect(now=moment_of(THURSDAY)) == 0


def test_it_needs_no_second_day_where_another_source_is_as_usual() -> None:
    one, other = make_source(), make_source("other")
    silent(one, MONDAY)
    put(other, MONDAY, statements=1010)

    assert morning(TUESDAY) == 1
    assert Finding.objects.get().source == one


def test_it_takes_a_day_without_anything_from_anybody_for_a_holiday() -> None:
    for name in ("one", "other"):
        silent(make_source(name), MONDAY)

    assert morning(TUESDAY) == 0


def test_it_keeps_silent_on_days_off() -> None:
    source = make_source()
    silent(source, MONDAY, TUESDAY)
    DayOff.objects.create(day=MONDAY, name="Easter Monday")
    DayOff.objects.create(day=TUESDAY)

    assert morning(WEDNESDAY) == 0


def test_it_finds_nothing_before_anything_was_counted() -> None:
    assert findings.inspect(now=NOW) == 0


def test_it_holds_a_fault_against_what_was_before_it() -> None:
    source = make_source(results=lambda number: number // 5, unscored=lambda number: number // 100)
    changes = []
    for number in range(60):
        day = MONDAY + number * DAY
        put(source, day, statements=1000, results=200, unscored=120)
        changes.append(morning(day + DAY))
    lasting = kinds()
    put(source, MONDAY + 60 * DAY, statements=1000, results=200, unscored=8)
    morning(MONDAY + 61 * DAY)

    assert lasting == ["missing_score"]
    assert sum(changes) == 1
    assert kinds() == []


def test_it_lets_somebody_say_that_this_is_normal_now() -> None:
    source = make_source()
    for number in range(80):
        put(source, MONDAY + number * DAY, statements=1000, quarantined=700)
    morning(TUESDAY)
    finding = Finding.objects.get()

    findings.accept(finding, by=ADMIN, now=moment_of(WEDNESDAY))
    later = [morning(WEDNESDAY + number * DAY) for number in range(70)]

    finding.refresh_from_db()
    assert (finding.kind, finding.ending) == ("quarantine", "accepted")
    assert sum(later) == 0
    entry = AuditEntry.objects.get(action="quality.accepted")
    assert entry.detail == {"finding": finding.pk, "kind": "quarantine"}
    with pytest.raises(findings.NotOpen):
        findings.accept(finding, by=ADMIN, now=moment_of(WEDNESDAY))


def test_it_learns_a_lower_volume_once_somebody_calls_it_normal() -> None:
    source = make_source()
    for number in range(90):
        put(source, MONDAY + number * DAY, statements=100)
    morning(TUESDAY), morning(WEDNESDAY)
    findings.accept(Finding.objects.get(), by=ADMIN, now=moment_of(WEDNESDAY))

    quiet = [morning(WEDNESDAY + number * DAY) for number in range(45)]
    silent(source, *[MONDAY + number * DAY for number in (49, 50, 51)])
    again = morning(MONDAY + 51 * DAY)

    assert sum(quiet) == 0
    assert again == 1


def test_it_closes_what_a_source_out_of_use_has_open() -> None:
    source = make_source()
    silent(source, MONDAY, TUESDAY)
    morning(WEDNESDAY)
    Credential.objects.filter(pk=source.pk).update(is_active=False)

    morning(THURSDAY)

    assert Finding.objects.get().ending == "out_of_use"


def test_it_lets_a_share_fade_of_which_nothing_more_is_heard() -> None:
    source = make_source(weeks=1)
    make_finding(
        source, kind=Finding.Kind.MISSING_SCORE, opened_at=moment_of(MONDAY), last_seen_at=moment_of(MONDAY)
    )

    early = morning(MONDAY + 28 * DAY)
    late = morning(MONDAY + 29 * DAY)

    assert (early, late) == (0, 1)
    assert Finding.objects.get().ending == "faded"


def test_it_lets_a_backfill_be_late_and_old() -> None:
    def parts(number: int) -> dict[str, Any]:
        return {"statements": number, "read": number, "old": number, "lags": {"late": number}}

    loader = make_source("loader", permissions=("write", "backfill"))
    live = make_source("live", lags=lambda number: {"0": number}, read=lambda number: number)  # type: ignore[arg-type, return-value]
    for source in (loader, live):
        put(source, MONDAY, **parts(1000))

    morning(TUESDAY)

    found = set(Finding.objects.values_list("source__name", "kind"))
    assert found == {("live", "clock"), ("live", "old")}


def test_it_asks_again_whether_people_are_still_unknown() -> None:
    source = make_credential(now=NOW).credential
    for name in ("new-hire-0001", "new-hire-0002"):
        send(*[statement(actor=account(name), at=NOW) for _ in range(30)], credential=source)
    tomorrow = NOW + DAY
    tally.tally(now=tomorrow)
    while_unknown = findings.inspect(now=tomorrow)
    with transaction.atomic():
        learner = make_learner("somebody-else")
        for name in ("new-hire-0001", "new-hire-0002"):
            identify(learner, account(name))
    BY_NAME["resolve"].run(now=tomorrow)

    findings.inspect(now=tomorrow)

    assert while_unknown == 1
    assert (Finding.objects.get().kind, Finding.objects.get().ending) == ("parked", "recovered")


# --- words -----------------------------------------------------------------------------------------------------


def make_term(source: Credential, iri: str, *, on: date, kind: str = "verb", seen: int = 50) -> SourceTerm:
    at = moment_of(on)
    return SourceTerm.objects.create(
        source=source, kind=kind, key=hash(iri) % 2**60, iri=iri, seen=seen, first_seen_at=at, last_seen_at=at
    )


def test_it_finds_new_verbs_until_they_mean_something() -> None:
    source = make_source()
    make_term(source, "urn:x:juggled", on=MONDAY)
    make_term(source, "http://adlnet.gov/expapi/verbs/completed", on=MONDAY)  # new to the source, known to us

    opened = morning(TUESDAY)
    finding = Finding.objects.get()
    VerbSynonym.objects.create(iri="urn:x:juggled", verb=4)
    closed = morning(TUESDAY)

    assert (opened, closed) == (1, 1)
    assert finding.detail == {"iris": ["urn:x:juggled"]}


def test_it_finds_new_types_for_a_fortnight() -> None:
    source = make_source()
    make_term(source, "urn:x:hologram", on=MONDAY, kind="type")

    for number in range(20):
        put(source, MONDAY + number * DAY, statements=1000)

    changes = [morning(MONDAY + number * DAY) for number in range(1, 16)]

    assert [number for number, change in enumerate(changes, 1) if change] == [1, 14]


def test_it_is_not_surprised_by_the_words_of_a_new_source() -> None:
    source = make_source(weeks=1)
    make_term(source, "urn:x:juggled", on=MONDAY)

    assert morning(TUESDAY) == 0


# --- mail ------------------------------------------------------------------------------------------------------


@pytest.fixture
def tell(django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks) -> Any:
    def run(now: datetime = NOW) -> int:
        with django_capture_on_commit_callbacks(execute=True):
            return alerts.tell(now=now)

    return run


def test_it_mails_each_finding_once(tell: Any) -> None:
    admin = make_user(Role.ADMIN)
    make_user(Role.COACH)
    make_user(Role.ADMIN, is_active=False)
    finding = make_finding()

    told = [tell(), tell(), tell(NOW + timedelta(days=9))]

    assert told == [1, 0, 0]
    [sent] = mail.outbox
    assert sent.to == [admin.login]
    assert sent.subject == "Rekindle data quality: lms: far less than usual"
    assert finding.says in sent.body and finding.mend in sent.body and "/quality/" in sent.body


def test_it_puts_many_findings_into_one_mail(tell: Any) -> None:
    make_user(Role.ADMIN)
    source = make_credential().credential
    for kind in list(Finding.Kind)[:5]:
        make_finding(source, kind=kind)

    tell()

    [sent] = mail.outbox
    assert sent.subject == "Rekindle data quality: 5 findings in 1 source"
    assert sent.body.count("What to do:") == 5


def test_it_keeps_a_subject_on_one_line(tell: Any) -> None:
    make_user(Role.ADMIN)
    make_finding(make_credential(name="lms\nBcc: everybody@example.test").credential)

    tell()

    [sent] = mail.outbox
    assert sent.subject == "Rekindle data quality: lms Bcc: everybody@example.test: far less than usual"
    assert sent.recipients() == sent.to


def test_it_sends_nothing_before_the_finding_is_committed() -> None:
    make_user(Role.ADMIN)
    make_finding()

    alerts.tell(now=NOW)  # inside the test's transaction, which never commits

    assert mail.outbox == []


def test_it_does_not_mail_what_is_over_already(tell: Any) -> None:
    make_user(Role.ADMIN)
    make_finding(closed_at=NOW, ending="recovered")

    assert tell() == 1
    assert mail.outbox == []


@pytest.mark.parametrize(
    ("setting", "to"), [(["data@example.test"], [["data@example.test"]]), ([], [])], ids=["named", "nobody"]
)
def test_it_mails_those_the_installation_names(
    tell: Any, settings: Settings, setting: list[str], to: list[list[str]]
) -> None:
    settings.QUALITY_ALERTS_TO = setting
    make_user(Role.ADMIN)
    make_finding()

    tell()

    assert [sent.to for sent in mail.outbox] == to
    assert not Finding.objects.filter(told_at__isnull=True).exists()


class Unreachable(BaseEmailBackend):
    def open(self) -> bool:
        raise ConnectionRefusedError


class Failing(BaseEmailBackend):
    def open(self) -> bool:
        return True

    def send_messages(self, email_messages: Any) -> int:
        raise smtplib.SMTPServerDisconnected


def test_it_waits_for_a_mail_server_that_does_not_answer(tell: Any, settings: Settings) -> None:
    make_user(Role.ADMIN)
    make_finding()
    works = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = f"{__name__}.Unreachable"
    alerts_get = tell()

    settings.EMAIL_BACKEND = works

    assert (alerts_get, tell()) == (0, 1)
    assert len(mail.outbox) == 1


def test_it_does_not_repeat_a_mail_that_broke_off(tell: Any, settings: Settings) -> None:
    make_user(Role.ADMIN)
    make_finding()
    works = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = f"{__name__}.Failing"
    first = tell()
    settings.EMAIL_BACKEND = works

    assert (first, tell()) == (1, 0)
    assert mail.outbox == []


def test_it_does_not_tell_twice_of_the_same_trouble(tell: Any) -> None:
    make_user(Role.ADMIN)
    source = make_source()
    silent(source, MONDAY, TUESDAY)
    morning(WEDNESDAY)
    tell(moment_of(WEDNESDAY))
    put(source, WEDNESDAY, statements=900)
    morning(THURSDAY)
    silent(source, THURSDAY, THURSDAY + DAY)

    again = morning(THURSDAY + 2 * DAY)
    tell(moment_of(THURSDAY + 2 * DAY))

    assert again == 1
    assert len(mail.outbox) == 1


# --- the database's promises -----------------------------------------------------------------------------------


def test_one_finding_is_open_per_source_and_kind() -> None:
    source = make_credential().credential
    make_finding(source, closed_at=NOW, ending="recovered")
    make_finding(source)

    with pytest.raises(IntegrityError, match="one_open_finding_per_source_and_kind"):
        make_finding(source)


@pytest.mark.parametrize(
    "fields",
    [{"ending": "recovered"}, {"closed_at": NOW}, {"closed_at": NOW - DAY, "ending": "recovered"}],
    ids=["not ended", "does not say how", "before it began"],
)
def test_a_finding_ends_after_it_began_and_says_how(fields: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError, match="a_finding_ends_after_it_began_and_says_how"):
        make_finding(**fields)
