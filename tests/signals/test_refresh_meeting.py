"""A refresh and whoever writes about the same people at the same moment: nobody waits, and nothing is lost."""

import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from django.db import connection

from consent import record
from consent.actors import SYSTEM
from consent.scopes import Scope
from learners.models import Competency, CompetencyItem, Enrolment
from signals.features import claims, refresh, serving
from signals.features import outdated as outdated_rollups
from signals.models import DailyRollup, EnrolmentMark, FeatureRow, Mastery, Risk
from signals.xapi.keys import activity_key
from tests.support.knowledge import day, enrolled, make_event, make_result
from tests.support.signals import COURSE, account, make_credential, make_learner, send, statement

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture(autouse=True)
def events_are_gone_afterwards() -> Iterator[None]:
    yield
    with connection.cursor() as cursor:  # Django empties only the tables it manages
        cursor.execute("TRUNCATE signals_event")


class Elsewhere(threading.Thread):
    """Does something on a connection of its own."""

    def __init__(self, act: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self.act = act
        self.came_to: Any = None
        self.failed: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self.came_to = self.act()
        except BaseException as fault:
            self.failed = fault
        finally:
            connection.close()

    def done(self) -> Any:
        """What came of it."""
        self.join(10)
        assert not self.is_alive(), "It waits for the refresh."
        assert self.failed is None, self.failed
        return self.came_to


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], Any]) -> list[Any]:
    """Lets somebody else do this while the next refresh computes features; what came of it."""
    compute, came_to = serving.compute, []

    def compute_and_wait(points: Any) -> Any:
        monkeypatch.setattr(serving, "compute", compute)
        features = compute(points)
        came_to.append(Elsewhere(act).done())
        return features

    monkeypatch.setattr(serving, "compute", compute_and_wait)
    return came_to


def mark_of(enrolment: Enrolment) -> EnrolmentMark:
    return EnrolmentMark.objects.get(pk=enrolment.pk)


def known(enrolment: Enrolment) -> tuple[int, int, float]:
    """How much is said to be known in features and in the risk, and how many interactions were counted."""
    row = FeatureRow.objects.get(pk=enrolment.pk)
    return row.known_seq, Risk.objects.get(pk=enrolment.pk).known_seq, row.values["amount"]


def test_a_statement_is_taken_in_while_it_computes_and_counts_the_next_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    enrolment, credential = enrolled("one"), make_credential().credential
    one, two = (statement(actor=account("one"), at=day(number)) for number in (1, 2))
    send(one, credential=credential, now=day(3))
    meanwhile(monkeypatch, lambda: send(two, credential=credential, now=day(3.5)))

    refresh.refresh(now=day(4))

    assert known(enrolment) == (1, 1, 1)
    assert (mark_of(enrolment).known_seq, mark_of(enrolment).dirty_days) == (2, [day(2).date()])
    assert mark_of(enrolment).dirty_since is not None
    assert refresh.refresh(now=day(5)) == 1
    assert known(enrolment) == (2, 2, 2)
    assert mark_of(enrolment).dirty_since is None
    assert refresh.refresh(now=day(5)) == 0


def test_a_mark_that_stands_has_waited_since_then_only(monkeypatch: pytest.MonkeyPatch) -> None:
    enrolment, credential = enrolled("one"), make_credential().credential
    send(statement(actor=account("one"), at=day(1)), credential=credential, now=day(1))
    EnrolmentMark.objects.update(dirty_since=day(1))
    another = statement(actor=account("one"), at=day(3))
    meanwhile(monkeypatch, lambda: send(another, credential=credential, now=day(4.5)))

    refresh.refresh(now=day(4))

    assert mark_of(enrolment).dirty_since == day(4)


def test_a_statement_between_days_and_features_waits_for_the_next_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    enrolment, credential = enrolled("one"), make_credential().credential
    one, two = (statement(actor=account("one"), at=day(number)) for number in (1, 2))
    send(one, credential=credential, now=day(3))
    claim = claims.claim

    def claim_late(**asked: Any) -> list[claims.Claim]:
        monkeypatch.setattr(claims, "claim", claim)
        Elsewhere(lambda: send(two, credential=credential, now=day(3.5))).done()
        return claim(**asked)

    monkeypatch.setattr(claims, "claim", claim_late)

    refresh.refresh(now=day(4))
    refresh.refresh(now=day(4))

    assert known(enrolment) == (2, 2, 2)
    assert mark_of(enrolment).dirty_since is None


def test_a_worker_that_dies_in_the_middle_leaves_the_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    enrolment = enrolled("one")
    make_event(enrolment, day(1))

    def die(points: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(serving, "compute", die)
        refresh.refresh(now=day(2))

    assert DailyRollup.objects.filter(enrolment=enrolment).count() == 1
    assert refresh.refresh(now=day(3)) == 1
    assert known(enrolment) == (1, 1, 1)


@pytest.mark.parametrize("scope", [Scope.PROFILE, Scope.RECORD])
def test_nothing_is_kept_of_whoever_withdraws_while_it_computes(
    monkeypatch: pytest.MonkeyPatch, scope: Scope
) -> None:
    refusing, other = enrolled("one"), enrolled("two")
    question = "https://lms.example.com/question"
    CompetencyItem.objects.create(
        competency=Competency.objects.create(key="a", name="A"), iri=question, name="Question"
    )
    for enrolment in (refusing, other):
        for number in range(4):
            make_result(
                enrolment, day(1 + number), success=True, is_item=True, activity=activity_key(question)
            )
    meanwhile(
        monkeypatch,
        lambda: record.withdraw(subject=refusing.learner_id, scope=scope, by=SYSTEM, now=day(6)),
    )

    refresh.refresh(now=day(6))

    for rows in (FeatureRow.objects, Risk.objects):
        assert list(rows.values_list("pk", flat=True)) == [other.pk]
    assert set(Mastery.objects.values_list("learner_id", flat=True)) == {other.learner_id}
    assert mark_of(refusing).dirty_since is None
    assert refresh.refresh(now=day(7)) == 0


def test_a_withdrawal_while_it_writes_comes_after_and_takes_all_of_it_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    enrolment = enrolled("one")
    make_event(enrolment, day(1))
    write, withdrawing = refresh.store_features, []

    def write_and_withdraw(rows: Any) -> None:
        write(rows)
        withdrawing.append(
            Elsewhere(
                lambda: record.withdraw(
                    subject=enrolment.learner_id, scope=Scope.PROFILE, by=SYSTEM, now=day(2)
                )
            )
        )
        withdrawing[0].join(0.3)
        assert withdrawing[0].is_alive()

    monkeypatch.setattr(refresh, "store_features", write_and_withdraw)

    refresh.refresh(now=day(2))
    withdrawing[0].done()

    assert not FeatureRow.objects.exists()
    assert not Risk.objects.exists()


def test_who_withdraws_and_agrees_again_while_it_computes_is_computed_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    enrolment = enrolled("one")
    make_event(enrolment, day(1))

    def waver() -> None:
        record.withdraw(subject=enrolment.learner_id, scope=Scope.PROFILE, by=SYSTEM, now=day(2))
        record.grant(subject=enrolment.learner_id, scope=Scope.PROFILE, by=SYSTEM, now=day(2.1))

    meanwhile(monkeypatch, waver)

    refresh.refresh(now=day(2))

    assert mark_of(enrolment).dirty_since == day(2.1)
    refresh.refresh(now=day(3))
    assert FeatureRow.objects.get(pk=enrolment.pk).as_of == day(3)


def test_two_workers_never_compute_the_same_person_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = (enrolled(name) for name in ("one", "two", "three"))
    for number, enrolment in enumerate((first, second, third)):
        make_event(enrolment, day(1 + number))
    done = meanwhile(monkeypatch, lambda: refresh.refresh(now=day(6), limit=2))

    assert refresh.refresh(now=day(5), limit=2) == 2

    assert done == [1]
    assert {row.pk: row.as_of for row in FeatureRow.objects.all()} == {
        first.pk: day(5),
        second.pk: day(5),
        third.pk: day(6),
    }
    assert refresh.refresh(now=day(7)) == 0


def test_what_somebody_else_computed_meanwhile_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    enrolment = enrolled("one")
    make_event(enrolment, day(1))
    meanwhile(monkeypatch, lambda: refresh.refresh_enrolments([enrolment.pk], now=day(4)))

    refresh.refresh(now=day(3))

    assert FeatureRow.objects.get(pk=enrolment.pk).as_of == day(4)
    assert Risk.objects.get(pk=enrolment.pk).as_of == day(4)


def test_two_workers_look_again_at_once_only_where_it_is_still_due(monkeypatch: pytest.MonkeyPatch) -> None:
    enrolment = enrolled("one")
    make_event(enrolment, day(1))
    refresh.refresh(now=day(1))
    due = day(2)
    Risk.objects.update(review_at=due)
    done = meanwhile(monkeypatch, lambda: refresh.refresh(now=due))

    assert refresh.refresh(now=due) == 1

    assert done == [0]
    assert refresh.refresh(now=due) == 0


def test_nothing_is_kept_of_an_enrolment_that_becomes_anothers_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    enrolment, other = enrolled("one"), make_learner("two")
    make_event(enrolment, day(1))
    meanwhile(monkeypatch, lambda: Enrolment.objects.filter(pk=enrolment.pk).update(learner=other))

    refresh.refresh(now=day(2))

    assert not FeatureRow.objects.exists()
    assert refresh.refresh(now=day(3)) == 1
    assert FeatureRow.objects.get(pk=enrolment.pk).as_of == day(3)


def test_who_finishes_while_it_computes_has_no_risk(monkeypatch: pytest.MonkeyPatch) -> None:
    enrolment, credential = enrolled("one"), make_credential().credential
    send(statement(actor=account("one"), at=day(1)), credential=credential, now=day(1))
    end = statement("completed", COURSE, actor=account("one"), at=day(2), course=None)
    meanwhile(monkeypatch, lambda: send(end, credential=credential, now=day(2)))

    refresh.refresh(now=day(3))

    assert not Risk.objects.exists()
    assert FeatureRow.objects.filter(pk=enrolment.pk).exists()


def test_days_that_become_stale_meanwhile_are_made_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    enrolment = enrolled("one")
    make_event(enrolment, day(1))
    refresh.refresh(now=day(1))
    DailyRollup.objects.update(recipe=1, amount=99)
    EnrolmentMark.objects.update(dirty_since=day(2))
    meanwhile(monkeypatch, lambda: mark_outdated(now=day(3)))

    refresh.refresh(now=day(3))
    assert mark_of(enrolment).dirty_days == [day(1).date()]
    refresh.refresh(now=day(4))

    assert known(enrolment) == (1, 1, 1)


def mark_outdated(*, now: datetime) -> int:
    return outdated_rollups.mark(now=now)
