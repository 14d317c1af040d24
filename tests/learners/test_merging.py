"""Two records become one, and two again exactly as they were."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from coaching.models import Case
from consent import record
from consent.actors import Party
from consent.gate import allows
from consent.models import ConsentChange, Standing
from consent.scopes import Scope
from consent.subject_requests import erase, export
from interventions.models import AlertSlot, Attempt, Decision, Delivery, Episode, Outcome
from interventions.outcomes import judge, measure
from learners.identity import identifier_hash
from learners.merging.journal import key_columns
from learners.merging.merge import CannotMerge, merge
from learners.merging.undo import CannotUndo, undo
from learners.models import (
    BaselineSkill,
    Competency,
    DeclaredAttribute,
    Enrolment,
    Goal,
    Identifier,
    Learner,
    Merge,
    Preferences,
    Role,
)
from signals.features.refresh import refresh
from signals.models import DailyRollup, EnrolmentMark, Event, FeatureRow, Label
from signals.normalize import resolve_parked
from tests.support.consent import ADMIN
from tests.support.interventions import (
    make_approval,
    make_attempt,
    make_decision,
    make_delivery,
    make_episode,
    make_help_request,
    make_lesson_visit,
    make_slot,
)
from tests.support.learners import make_declared, make_manager, make_oversight, make_user
from tests.support.signals import (
    COURSE,
    account,
    identify,
    make_course,
    make_credential,
    make_enrolment,
    send,
    statement,
)

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=2)
# Evidence of what was done, which no undo takes away.
EVIDENCE = {
    "consent_consentchange",
    "consent_auditentry",
    "consent_auditunsealed",
    "learners_merge",
    "learners_mergestep",
}
OTHER_COURSE = "https://lms.example.com/course/other"


def everything(*, besides: frozenset[str] = frozenset()) -> dict[str, list[str]]:
    """All rows of all tables, as PostgreSQL writes them."""
    out = {}
    with connection.cursor() as cursor:
        for model in apps.get_models():
            table = model._meta.db_table
            if table in EVIDENCE | besides or model._meta.proxy:
                continue
            order = ", ".join(f'"{name}"' for name in key_columns(model))
            cursor.execute(f'SELECT to_jsonb(t)::text FROM "{table}" t ORDER BY {order}')
            out[table] = [row[0] for row in cursor.fetchall()]
    return out


def differences(before: dict[str, list[str]], after: dict[str, list[str]]) -> dict[str, Any]:
    return {
        table: [(one, other) for one, other in zip(before[table], after[table], strict=False) if one != other]
        or (len(before[table]), len(after[table]))
        for table in before
        if before[table] != after[table]
    }


def make_case(*, decision: Decision, **fields: Any) -> Case:
    made: dict[str, Any] = {
        "enrolment": decision.enrolment,
        "episode": decision.episode,
        "decision": decision,
        "is_escalation": False,
        "opened_at": NOW,
        "due_at": NOW,
    }
    return Case.objects.create(**{**made, **fields})


class Pair:
    """One person with two records, each with a life: one course of their own each, and one that both have."""

    def __init__(self) -> None:
        self.into, self.duplicate = (
            Learner.objects.create(name="Ann Lee"),
            Learner.objects.create(name="Anne Lee"),
        )
        identify(self.into, account("kept"))
        identify(self.duplicate, account("second"))
        shared, own = make_course(), make_course(OTHER_COURSE)
        self.kept = make_enrolment(self.into, shared)
        self.twin = make_enrolment(self.duplicate, shared, starts_on=date(2026, 2, 1))
        self.moved = make_enrolment(self.duplicate, own)
        self.skill = Competency.objects.create(key="tact", name="Tact")
        self.credential = make_credential().credential
        for name in ("kept", "second"):
            self.does(name, 10)
            self.does(name, 12, scaled=0.4, verb="scored")
        self.does("second", 14, course=OTHER_COURSE)

    def does(self, name: str, day: int, *, course: str = COURSE, now: datetime = NOW, **more: Any) -> None:
        at = datetime(2026, 2, day, 10, tzinfo=UTC)
        send(
            statement(actor=account(name), at=at, course=course, **more), credential=self.credential, now=now
        )

    def merge(self, now: datetime = NOW) -> Merge:
        return merge(duplicate=self.duplicate.pk, into=self.into.pk, by=ADMIN, now=now)

    def everywhere(self) -> None:
        """Rows in every app: episodes under way, messages queued, places taken, a case, a manager, an account."""
        for enrolment, at in ((self.twin, NOW), (self.moved, NOW - timedelta(days=1)), (self.kept, NOW)):
            decision = make_decision(episode=make_episode(enrolment=enrolment))
            make_delivery(decision=decision)
            make_approval(decision=decision)
            make_slot(decision=decision, at=at, place=1 if enrolment != self.moved else 2)
            make_help_request(enrolment=enrolment)
            if enrolment == self.twin:
                make_case(decision=decision)
        make_lesson_visit(learner=self.duplicate)
        make_oversight(learner=self.duplicate, user=make_manager(), kind="manager")
        make_user(Role.LEARNER, learner=self.duplicate)
        Goal.objects.create(learner=self.duplicate, course=self.moved.course, made_at=NOW, by_date=NOW.date())
        Preferences.objects.create(learner=self.duplicate, channel="card", changed_at=NOW)
        make_declared(learner=self.duplicate)
        make_declared(learner=self.duplicate, name="age_band", value="35-55")
        make_declared(learner=self.into, value="man")
        for learner in (self.into, self.duplicate):
            BaselineSkill.objects.create(
                learner=learner, competency=self.skill, source="self", as_of=NOW.date(), level=2
            )
        record.withdraw(subject=self.duplicate.pk, scope=Scope.NUDGE, by=ADMIN, now=NOW)


def test_it_makes_the_duplicates_life_the_others() -> None:
    pair = Pair()

    done = pair.merge()

    assert set(Event.objects.values_list("learner_id", flat=True)) == {pair.into.pk}
    assert Enrolment.objects.get(pk=pair.moved.pk).learner_id == pair.into.pk
    assert Enrolment.objects.get(pk=pair.twin.pk).learner_id == pair.duplicate.pk
    assert sorted(Event.objects.filter(enrolment_id=pair.kept.pk).values_list("known_seq", flat=True)) == [
        1,
        2,
        3,
        4,
    ]
    assert EnrolmentMark.objects.get(pk=pair.kept.pk).known_seq == 4
    assert not Identifier.objects.filter(learner=pair.duplicate).exists()
    assert Learner.objects.get(pk=pair.duplicate.pk).merged_into_id == pair.into.pk
    assert done.steps.count() > 0
    pair.does("second", 20)
    assert Event.objects.filter(learner_id=pair.into.pk).count() == 6


def test_it_keeps_what_the_kept_record_declared_and_adds_what_it_did_not() -> None:
    pair = Pair()
    pair.everywhere()

    pair.merge()

    said = {row.name: row.value for row in DeclaredAttribute.objects.filter(learner=pair.into)}
    assert said == {"gender": "man", "age_band": "35-55"}


def test_it_marks_what_must_be_computed_again() -> None:
    pair = Pair()
    refresh(now=NOW)

    pair.merge()

    dirty = set(EnrolmentMark.objects.filter(dirty_since__isnull=False).values_list("pk", flat=True))
    assert dirty == {pair.kept.pk, pair.moved.pk}
    refresh(now=NOW)
    assert set(FeatureRow.objects.values_list("pk", flat=True)) == {pair.kept.pk, pair.moved.pk}
    assert FeatureRow.objects.get(pk=pair.kept.pk).known_seq == 4


@pytest.mark.parametrize("refuser", ["duplicate", "into"])
def test_it_lets_the_stricter_consent_win(refuser: str) -> None:
    pair = Pair()
    decision = make_decision(episode=make_episode(enrolment=pair.moved))
    make_delivery(decision=decision)
    record.withdraw(subject=getattr(pair, refuser).pk, scope=Scope.NUDGE, by=ADMIN, now=NOW)

    pair.merge()

    assert not allows(pair.into.pk, Scope.NUDGE)
    assert Delivery.objects.get().state == "cancelled"


def test_it_undoes_exactly() -> None:
    pair = Pair()
    refresh(now=NOW)
    pair.everywhere()
    before = everything()

    done = pair.merge()
    assert differences(before, everything())
    undo(merge_id=done.pk, by=ADMIN, now=LATER)

    # A choice nobody made is a row without a choice: locking makes it, and it says nothing.
    after = everything()
    silent = [row for row in after["consent_standing"] if json.loads(row)["allowed"] is None]
    after["consent_standing"] = [row for row in after["consent_standing"] if row not in silent]
    before["consent_standing"] = [
        row for row in before["consent_standing"] if json.loads(row)["allowed"] is not None
    ]
    assert differences(before, after) == {}


def test_it_undoes_what_was_computed_in_between() -> None:
    pair = Pair()
    refresh(now=NOW)
    history = frozenset({"signals_riskchange", "consent_standing"})
    before = everything(besides=history)

    done = pair.merge()
    refresh(now=NOW)
    undo(merge_id=done.pk, by=ADMIN, now=NOW)
    refresh(now=NOW)

    after = everything(besides=history)
    # Computed anew, so not read by the decision stage yet; all else is the same.
    assert differences(before, after) == {}


def test_it_computes_again_where_something_new_has_not_been_computed_yet() -> None:
    pair = Pair()
    refresh(now=NOW)
    days = set(DailyRollup.objects.values_list("enrolment_id", "day", "events"))
    done = pair.merge()
    refresh(now=NOW)
    pair.does("kept", 24, now=NOW + timedelta(hours=1))

    undo(merge_id=done.pk, by=ADMIN, now=LATER)
    refresh(now=LATER)

    now_known = set(DailyRollup.objects.values_list("enrolment_id", "day", "events"))
    assert now_known == days | {(pair.kept.pk, date(2026, 2, 24), 1)}


def test_it_gives_what_came_since_to_whom_the_identifier_belongs() -> None:
    pair = Pair()
    done = pair.merge()
    pair.does("second", 21)
    pair.does("second", 22, course=OTHER_COURSE)
    pair.does("kept", 23, course=OTHER_COURSE)
    pair.does("kept", 24)

    undo(merge_id=done.pk, by=ADMIN, now=LATER)

    placed = {
        (event.occurred_at.day, event.learner_id, event.enrolment_id)
        for event in Event.objects.filter(occurred_at__day__gte=21)
    }
    assert placed == {
        (21, pair.duplicate.pk, pair.twin.pk),
        (22, pair.duplicate.pk, pair.moved.pk),
        (23, pair.into.pk, None),
        (24, pair.into.pk, pair.kept.pk),
    }
    numbers = list(Event.objects.filter(enrolment_id=pair.twin.pk).values_list("known_seq", flat=True))
    assert len(numbers) == len(set(numbers)) == 3
    assert EnrolmentMark.objects.get(pk=pair.twin.pk).known_seq == max(numbers)


def test_it_keeps_a_refusal_made_since_for_both() -> None:
    pair = Pair()
    done = pair.merge()
    record.withdraw(subject=pair.into.pk, scope=Scope.COACH, by=ADMIN, now=NOW + timedelta(hours=1))

    undo(merge_id=done.pk, by=ADMIN, now=LATER)

    assert not allows(pair.into.pk, Scope.COACH)
    assert not allows(pair.duplicate.pk, Scope.COACH)


def test_it_keeps_a_refusal_that_was_taken_back_and_made_again() -> None:
    pair = Pair()
    record.grant(subject=pair.into.pk, scope=Scope.NUDGE, by=ADMIN, now=NOW - timedelta(days=1))
    record.withdraw(subject=pair.duplicate.pk, scope=Scope.NUDGE, by=ADMIN, now=NOW - timedelta(days=1))
    make_delivery(decision=make_decision(episode=make_episode(enrolment=pair.kept)))
    done = pair.merge()
    record.grant(subject=pair.into.pk, scope=Scope.NUDGE, by=ADMIN, now=NOW + timedelta(hours=1))
    record.withdraw(subject=pair.into.pk, scope=Scope.NUDGE, by=ADMIN, now=NOW + timedelta(hours=2))

    undo(merge_id=done.pk, by=ADMIN, now=LATER)

    assert not allows(pair.into.pk, Scope.NUDGE)
    assert not allows(pair.duplicate.pk, Scope.NUDGE)
    assert Delivery.objects.get().state == "cancelled"
    last = ConsentChange.objects.filter(subject=pair.into.pk, scope=Scope.NUDGE).latest("at")
    assert not last.allowed


def test_it_keeps_what_somebody_changed_since() -> None:
    pair = Pair()
    make_episode(enrolment=pair.moved)
    done = pair.merge()
    Episode.objects.filter(enrolment=pair.moved).update(step=3)

    undo(merge_id=done.pk, by=ADMIN, now=LATER)

    assert Episode.objects.get(enrolment=pair.moved).step == 3


def test_it_refuses_to_tear_a_row_from_a_third_person() -> None:
    pair = Pair()
    done = pair.merge()
    Enrolment.objects.filter(pk=pair.moved.pk).update(learner=Learner.objects.create())

    with pytest.raises(CannotUndo, match="1 rows of learners_enrolment have been given to somebody else"):
        undo(merge_id=done.pk, by=ADMIN, now=LATER)


def test_it_undoes_merges_in_the_opposite_order() -> None:
    pair = Pair()
    first = pair.merge()
    third = Learner.objects.create()
    second = merge(duplicate=pair.into.pk, into=third.pk, by=ADMIN, now=LATER)

    with pytest.raises(CannotUndo, match="Undo that first"):
        undo(merge_id=first.pk, by=ADMIN, now=LATER)
    undo(merge_id=second.pk, by=ADMIN, now=LATER)
    undo(merge_id=first.pk, by=ADMIN, now=LATER)

    assert Enrolment.objects.get(pk=pair.moved.pk).learner_id == pair.duplicate.pk
    with pytest.raises(CannotUndo, match="undone already"):
        undo(merge_id=first.pk, by=ADMIN, now=LATER)


def test_it_refuses_a_second_merge_an_erased_record_and_itself() -> None:
    pair = Pair()
    with pytest.raises(CannotMerge, match="one record already"):
        merge(duplicate=pair.into.pk, into=pair.into.pk, by=ADMIN, now=NOW)
    pair.merge()
    with pytest.raises(CannotMerge, match="merged into another record already"):
        pair.merge()
    erased = Learner.objects.create(erased_at=NOW)
    with pytest.raises(CannotMerge, match="has been erased"):
        merge(duplicate=erased.pk, into=pair.into.pk, by=ADMIN, now=NOW)


def test_it_refuses_while_a_coach_has_the_second_enrolment_in_hand() -> None:
    pair = Pair()
    make_case(decision=make_decision(episode=make_episode(enrolment=pair.twin)), state=Case.State.ACCEPTED)

    with pytest.raises(CannotMerge, match="Close the case first"):
        pair.merge()

    assert Learner.objects.get(pk=pair.duplicate.pk).merged_into_id is None


def test_it_refuses_two_accounts_of_which_the_second_may_do_more() -> None:
    pair = Pair()
    make_user(Role.LEARNER, learner=pair.into)
    make_user(Role.LEARNER, Role.MANAGER, learner=pair.duplicate)

    with pytest.raises(CannotMerge, match="Give its roles to the other account"):
        pair.merge()


def test_it_does_not_judge_what_was_tried_on_an_enrolment_that_stays_behind() -> None:
    """All the person did is known under the other record by then: "nothing came of it" would be made up."""
    pair = Pair()
    for enrolment in (pair.twin, pair.moved):
        make_attempt(
            decision=make_decision(episode=make_episode(enrolment=enrolment), snapshot=None),
            reached_at=NOW - timedelta(days=2),
            window_ends_at=NOW,
            verdict="pending",
            judged_at=None,
        )
    stayed = Attempt.objects.filter(decision__enrolment=pair.twin)
    done = pair.merge()
    pair.does("second", 28)

    judge(now=NOW + timedelta(days=20))
    measure(now=NOW + timedelta(days=20))

    assert stayed.get().verdict == "pending"
    assert {outcome.decision.enrolment_id for outcome in Outcome.objects.select_related("decision")} == {
        pair.moved.pk
    }
    assert not Label.objects.filter(enrolment=pair.twin).exists()

    undo(merge_id=done.pk, by=ADMIN, now=NOW + timedelta(days=20))
    judge(now=NOW + timedelta(days=20))
    measure(now=NOW + timedelta(days=20))

    assert stayed.get().verdict != "pending"
    assert Outcome.objects.get(decision__enrolment=pair.twin, measure="active_7d").value == 1


def test_it_never_leaves_one_person_more_room_than_two_alerts() -> None:
    pair = Pair()
    for number, (enrolment, place, state) in enumerate(
        [
            (pair.kept, 1, "committed"),
            (pair.kept, 2, "committed"),
            (pair.moved, 1, "committed"),
            (pair.moved, 2, "reserved"),
        ]
    ):
        episode = Episode.objects.filter(enrolment=enrolment).first() or make_episode(enrolment=enrolment)
        decision = make_decision(episode=episode, step=number)
        make_slot(decision=decision, at=NOW + timedelta(hours=number), place=place, state=state)

    pair.merge()

    taken = AlertSlot.objects.exclude(state="released").order_by("during")
    assert [(slot.learner_id, slot.state) for slot in taken] == [(pair.into.pk, "committed")] * 2
    assert min(slot.during.upper for slot in taken) == NOW + timedelta(hours=168 + 1)


@pytest.mark.parametrize("asked", ["into", "duplicate"])
def test_it_erases_both_records_of_the_person(asked: str) -> None:
    pair = Pair()
    done = pair.merge()
    other = {"into": "duplicate", "duplicate": "into"}[asked]

    assert (
        str(getattr(pair, other).pk)
        in export(subject=getattr(pair, asked).pk, by=ADMIN, now=LATER)["merged_records"]
    )
    receipt = erase(subject=getattr(pair, asked).pk, by=ADMIN, now=LATER)

    assert not Learner.objects.filter(erased_at__isnull=True).exists()
    assert not Event.objects.exists()
    assert not Identifier.objects.exists()
    assert erase(subject=getattr(pair, other).pk, by=ADMIN, now=LATER).pk == receipt.pk
    with pytest.raises(CannotUndo, match="has been erased"):
        undo(merge_id=done.pk, by=ADMIN, now=LATER)


def test_it_hides_the_duplicate() -> None:
    pair = Pair()
    admin = make_user(Role.ADMIN)
    pair.merge()

    assert set(Learner.objects.visible_to(admin)) == {pair.into}
    assert set(Learner.objects.current_staff(NOW.date())) == {pair.into}


def test_it_takes_an_actor_back() -> None:
    from signals.merging import forget_actor

    pair = Pair()
    mine = Identifier.objects.get(learner=pair.duplicate)
    hashed = bytes(mine.hash)
    mine.delete()

    taken = forget_actor(hashed, pair.duplicate.pk, now=NOW)

    assert taken == 3
    assert not Event.objects.filter(learner_id=pair.duplicate.pk).exists()
    assert resolve_parked(now=NOW) == 0
    identify(pair.duplicate, account("second"))
    assert resolve_parked(now=NOW) == 3
    assert identifier_hash(Identifier.objects.get(learner=pair.duplicate).value) == hashed
    assert Standing.objects.filter(subject=pair.duplicate.pk).count() == 0
    assert Party("user", ADMIN.uuid) == ADMIN
