"""Which coach a case is suggested to: by relation, skill, language and room, and never in conflict."""

from datetime import timedelta
from threading import Event
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from coaching import apart, casework, choosing, inbox
from coaching.models import Case
from consent.models import AuditEntry
from interventions.models import Approval, Escalation
from interventions.policy.document import Document
from learners import access
from learners.models import (
    CoachConflict,
    CoachProfile,
    CoachSkill,
    Enrolment,
    Learner,
    OrgUnit,
    Role,
    UnitCoach,
    User,
)
from signals.models import SecondLook
from tests.signals.test_refresh_meeting import Elsewhere
from tests.support import learners
from tests.support.coaching import NOW, Circle, allow, make_circle, make_decision, make_escalation
from tests.support.promises import Broken

pytestmark = pytest.mark.django_db


def make_pool(*, coaches: int = 2, **of_unit: Any) -> tuple[OrgUnit, list[User]]:
    """A unit in which several coaches help, and nobody is in charge."""
    unit = learners.make_unit(**of_unit)
    users = [learners.make_coach(name=f"Coach {number}") for number in range(coaches)]
    for user in users:
        UnitCoach.objects.create(unit=unit, user=user)
    return unit, users


def make_somebody(unit: OrgUnit, **fields: Any) -> Circle:
    """A learner of this unit, whom nobody coaches by a relation of their own."""
    learner = learners.make_learner(unit=unit, **fields)
    allow(learner)
    account = learners.make_user(Role.LEARNER, learner=learner, name=learner.name)
    nobody = User()
    return Circle(learner, account, nobody, nobody, learners.make_enrolment(learner=learner))


def escalated(circle: Circle) -> Case:
    make_escalation(circle)
    inbox.collect(now=NOW)
    return Case.objects.for_reading().get(enrolment=circle.enrolment)


def carries(user: User, cases: int) -> None:
    """The coach has so many people to look after already."""
    for _ in range(cases):
        escalated(make_circle(coach=user))


class TestWhom:
    def test_it_is_the_coach_they_have_whoever_else_there_is(self) -> None:
        unit, users = make_pool()
        circle = make_circle(unit=unit)
        CoachSkill.objects.create(user=users[0], course=circle.enrolment.course)

        case = escalated(circle)

        assert (case.assignee, case.suggested_to) == (circle.coach, circle.coach)
        assert case.suggested_because == "coach of this learner already"

    def test_it_is_who_knows_the_course(self) -> None:
        unit, users = make_pool(coaches=3)
        circle = make_somebody(unit)
        CoachSkill.objects.create(user=users[2], course=circle.enrolment.course)

        case = escalated(circle)

        assert case.assignee == users[2]
        assert (
            case.suggested_because
            == "knows this course, speaks the learner’s language, 0 of 10 cases in hand"
        )

    def test_it_is_who_knows_what_is_weakest(self) -> None:
        unit, users = make_pool(coaches=3)
        circle = make_somebody(unit)
        weakest = learners.make_competency(key="lockout")
        CoachSkill.objects.create(user=users[1], competency=weakest)
        decision = make_decision(circle.enrolment)
        snapshot = {**(decision.snapshot or {}), "seen": {"competency": "lockout"}}
        decision.delete()
        make_decision(circle.enrolment, snapshot=snapshot)
        Approval.objects.create(decision=circle.enrolment.decisions.get(), asked_at=NOW)

        inbox.collect(now=NOW)

        case = Case.objects.get()
        assert case.assignee == users[1]
        assert case.suggested_because.startswith("knows what is weakest here")

    def test_it_is_who_speaks_the_language(self) -> None:
        unit, users = make_pool(coaches=3)
        CoachProfile.objects.create(user=users[1], languages=["de"])

        case = escalated(make_somebody(unit, language="de"))

        assert case.assignee == users[1]

    def test_it_is_who_has_fewest_and_what_one_gets_counts_for_the_next(self) -> None:
        unit, users = make_pool(coaches=2)
        carries(users[0], 1)
        circles = [make_somebody(unit) for _ in range(3)]
        for circle in circles:
            make_escalation(circle)

        inbox.collect(now=NOW)

        assert choosing.cases_in_hand([user.pk for user in users]) == {users[0].pk: 2, users[1].pk: 2}

    def test_it_passes_over_who_is_full_and_waits_where_all_are(self) -> None:
        unit, users = make_pool(coaches=2)
        for user in users:
            CoachProfile.objects.create(user=user, most_cases=1)
        carries(users[0], 1)

        first, second = escalated(make_somebody(unit)), escalated(make_somebody(unit))

        assert first.assignee == users[1]
        assert (second.assignee, second.suggested_because) == (None, choosing.ALL_FULL)
        # Nothing is lost: both see it, and so does the administrator.
        for user in users:
            assert second in Case.objects.visible_to(user, now=NOW)
        client = Client()
        client.force_login(learners.make_user(Role.ADMIN))
        assert choosing.ALL_FULL in client.get("/quality/").content.decode()

    def test_it_passes_over_the_coach_they_have_too_where_that_one_is_full(self) -> None:
        unit, [other] = make_pool(coaches=1)
        circle = make_circle(unit=unit)
        CoachProfile.objects.create(user=circle.coach, most_cases=1)
        carries(circle.coach, 1)

        assert escalated(circle).assignee == other

    def test_nobody_takes_on_more_than_they_can_carry(self) -> None:
        unit, [user] = make_pool(coaches=1)
        CoachProfile.objects.create(user=user, most_cases=1)
        carries(user, 1)
        case = escalated(make_somebody(unit))

        with pytest.raises(casework.NotNow, match="more than can be carried"):
            casework.accept(case=case, by=user.pk, version=case.version, now=NOW)

        case.refresh_from_db()
        assert (case.state, case.assignee, case.verdicts.count()) == ("open", None, 0)
        mine = Case.objects.get(assignee=user)
        casework.accept(case=mine, by=user.pk, version=mine.version, now=NOW)  # counted as theirs before

    def test_it_is_not_handed_on_to_somebody_who_is_full(self) -> None:
        unit, [user] = make_pool(coaches=1)
        circle = make_circle(unit=unit)
        CoachProfile.objects.create(user=user, most_cases=0)
        case = escalated(circle)

        with pytest.raises(casework.NotNow, match="more than can be carried"):
            casework.hand_on(case=case, to=user.pk, by=circle.coach.pk, version=case.version, now=NOW)

        case.refresh_from_db()
        assert case.assignee == circle.coach

    def test_a_call_for_help_is_held_by_no_limit(self) -> None:
        unit, [user] = make_pool(coaches=1)
        CoachProfile.objects.create(user=user, most_cases=0)
        circle = make_somebody(unit)
        decision = make_decision(circle.enrolment, action="coach", reasons=["learner_asked"])
        assert decision.episode is not None
        Escalation.objects.create(
            decision=decision, episode=decision.episode, exemption="learner_asked", at=NOW
        )
        inbox.collect(now=NOW)
        case = Case.objects.for_reading().get(enrolment=circle.enrolment)

        casework.accept(case=case, by=user.pk, version=case.version, now=NOW)

        case.refresh_from_db()
        assert (case.state, case.assignee) == ("accepted", user)

    def test_it_is_suggested_as_soon_as_somebody_has_room(self) -> None:
        unit, [user] = make_pool(coaches=1)
        CoachProfile.objects.create(user=user, most_cases=0)
        case = escalated(make_somebody(unit))
        assert inbox.collect(now=NOW) == 0
        CoachProfile.objects.update(most_cases=1)

        assert inbox.collect(now=NOW + timedelta(minutes=1)) == 1

        case.refresh_from_db()
        assert (case.assignee, case.version) == (user, 2)

    def test_it_waits_where_nobody_knows_the_course(self) -> None:
        unit, [user] = make_pool(coaches=1)
        CoachSkill.objects.create(user=user, course=learners.make_course())

        case = escalated(make_somebody(unit))

        assert (case.assignee, case.suggested_because) == (None, choosing.NO_SKILL)
        assert case in Case.objects.visible_to(user, now=NOW)  # who wants to, still can

    def test_it_counts_by_the_hours_of_the_policy(self) -> None:
        assert choosing.most_cases(Document()) == 10

    def test_it_asks_as_often_for_many_as_for_one(self, django_assert_max_num_queries: Any) -> None:
        unit, _ = make_pool(coaches=3)
        circles = [make_somebody(unit) for _ in range(6)]
        wanted = [choosing.Wanted(one.learner.pk, one.enrolment.course_id, "en", None) for one in circles]

        with django_assert_max_num_queries(16) as few:
            choosing.choose(wanted[:1], now=NOW)
        with django_assert_max_num_queries(len(few)):
            choosing.choose(wanted, now=NOW)


class TestConflict:
    def test_who_is_kept_apart_neither_sees_nor_takes_the_case(self) -> None:
        unit, [one, other] = make_pool(coaches=2)
        circle = make_somebody(unit)
        case = escalated(circle)
        mine, another = (one, other) if case.assignee == one else (other, one)
        SecondLook.objects.create(enrolment=circle.enrolment, kind="not_sure", asked_at=NOW)
        client = Client()
        client.force_login(mine)
        page = f"/inbox/{case.pk}/"
        assert client.get(page).status_code == 200

        casework.step_back(case=case, by=mine.pk, version=1, now=NOW)

        assert not Case.objects.visible_to(mine, now=NOW).exists()
        assert not SecondLook.objects.visible_to(mine, now=NOW).exists()
        assert circle.learner not in Learner.objects.visible_to(mine)
        assert client.get(page).status_code == 404
        assert client.post(page, {"decision": "accept", "version": "9"}).status_code == 404
        inbox.collect(now=NOW)
        case.refresh_from_db()
        assert (case.assignee, case.state) == (another, "open")
        assert (
            AuditEntry.objects.filter(action="coach.kept_apart", target_uuid=circle.learner.pk).count() == 1
        )

    def test_the_learner_s_manager_is_not_their_coach_and_the_next_above_stands_in(self) -> None:
        head, both = learners.make_coach(), learners.make_user(Role.COACH, Role.MANAGER)
        works = learners.make_unit(coach=head)
        team = learners.make_unit(parent=works, coach=both, manager=both)
        circle = make_somebody(team)

        case = escalated(circle)

        assert case.assignee == head
        assert case in Case.objects.visible_to(head, now=NOW)
        assert case not in Case.objects.visible_to(both, now=NOW)

    def test_who_reports_to_the_learner_is_not_their_coach(self) -> None:
        unit, [one, other] = make_pool(coaches=2)
        circle = make_somebody(unit)
        User.objects.filter(pk=circle.account.pk).update(roles=[Role.LEARNER, Role.MANAGER])
        reporting = learners.make_learner(manager=circle.account)
        User.objects.filter(pk=one.pk).update(learner=reporting)

        case = escalated(circle)

        assert case.assignee == other
        assert case not in Case.objects.visible_to(User.objects.get(pk=one.pk), now=NOW)

    def test_nobody_coaches_themselves(self) -> None:
        unit, [one] = make_pool(coaches=1)
        circle = make_somebody(unit)
        User.objects.filter(pk=circle.account.pk).update(learner=None)
        User.objects.filter(pk=one.pk).update(learner=circle.learner)

        case = escalated(circle)

        assert (case.assignee, case.suggested_because) == (None, choosing.NOBODY)
        assert case not in Case.objects.visible_to(User.objects.get(pk=one.pk), now=NOW)

    def test_the_coach_by_relation_gives_way_too(self) -> None:
        head = learners.make_coach()
        circle = make_circle(unit=learners.make_unit(coach=head))
        apart.keep(
            learner_id=circle.learner.pk,
            user_id=circle.coach.pk,
            said_by="learner",
            by=circle.account.pk,
            now=NOW,
        )

        case = escalated(circle)

        assert case.assignee == head
        assert case in Case.objects.visible_to(head, now=NOW)
        assert circle.learner.pk not in access.in_care_of(circle.coach, on=NOW.date())

    def test_a_case_in_hand_goes_to_another_with_its_name_hidden(self) -> None:
        unit, users = make_pool(coaches=2)
        circle = make_somebody(unit)
        case = escalated(circle)
        assert case.assignee is not None
        casework.accept(case=case, by=case.assignee.pk, version=1, now=NOW)
        # An administrator says so, in the admin: the inbox notices by itself.
        CoachConflict.objects.create(learner=circle.learner, user=case.assignee, said_at=NOW)

        inbox.collect(now=NOW)

        [other] = [user for user in users if user != case.assignee]
        case = Case.objects.for_reading().get(pk=case.pk)
        assert (case.assignee, case.state, case.shows_name_to(other.pk)) == (other, "open", False)

    def test_learners_say_it_on_their_page_and_take_it_back(self) -> None:
        circle = make_circle()
        client = Client()
        client.force_login(circle.account)
        page = f"/me/choices/coaches/{circle.coach.pk}/"
        assert circle.coach.name in client.get("/me/choices/").content.decode()

        said = client.post(page, {"meet": "no"}, follow=True).content.decode()

        assert f"{circle.coach.name}: not for me" in said
        assert not Learner.objects.visible_to(circle.coach).exists()
        client.post(page, {"meet": "yes"})
        assert Learner.objects.visible_to(circle.coach).get() == circle.learner
        stranger = learners.make_coach()
        assert client.post(f"/me/choices/coaches/{stranger.pk}/", {"meet": "no"}).status_code == 404
        assert client.get(page).status_code == 405

    def test_learners_do_not_take_back_what_the_coach_said(self) -> None:
        circle = make_circle()
        case = escalated(circle)
        casework.step_back(case=case, by=circle.coach.pk, version=1, now=NOW)
        client = Client()
        client.force_login(circle.account)

        gone = client.post(f"/me/choices/coaches/{circle.coach.pk}/", {"meet": "yes"})

        assert gone.status_code == 404
        assert CoachConflict.objects.exists()


class TestHandingOn:
    def test_it_goes_to_a_colleague_who_may_take_it(self) -> None:
        unit, users = make_pool(coaches=2)
        case = escalated(make_somebody(unit))
        mine = case.assignee
        assert mine is not None
        [colleague] = [user for user in users if user != mine]
        casework.accept(case=case, by=mine.pk, version=1, now=NOW)
        client = Client()
        client.force_login(mine)
        assert colleague.name in client.get(f"/inbox/{case.pk}/").content.decode()

        client.post(f"/inbox/{case.pk}/", {"decision": "hand_on", "to": str(colleague.pk), "version": "2"})

        case = Case.objects.for_reading().get(pk=case.pk)
        assert (case.assignee, case.state) == (colleague, "open")
        assert not case.shows_name_to(mine.pk)
        client.force_login(colleague)
        page = client.get(f"/inbox/{case.pk}/").content.decode()
        assert "Suggested to you: a colleague handed it on." in page
        casework.accept(case=case, by=colleague.pk, version=3, now=NOW)

    @pytest.mark.parametrize("to", ["", "00000000-0000-0000-0000-000000000001"])
    def test_it_goes_to_nobody_else(self, to: str) -> None:
        circle = make_circle()
        case = escalated(circle)
        client = Client()
        client.force_login(circle.coach)

        said = client.post(f"/inbox/{case.pk}/", {"decision": "hand_on", "to": to, "version": "1"})

        assert said.status_code == 422
        assert "Choose a colleague who may take this case." in said.content.decode()

    def test_any_coach_in_reach_can_take_what_was_suggested_to_another(self) -> None:
        unit, users = make_pool(coaches=2)
        case = escalated(make_somebody(unit))
        [other] = [user for user in users if user != case.assignee]
        client = Client()
        client.force_login(other)
        assert (
            f"Suggested to {case.assignee and case.assignee.name}"
            in client.get(f"/inbox/{case.pk}/").content.decode()
        )

        client.post(f"/inbox/{case.pk}/", {"decision": "accept", "version": "1"})

        case.refresh_from_db()
        assert (case.assignee, case.state) == (other, "accepted")


class TestPromises:
    def test_a_suggestion_says_why(self) -> None:
        case = escalated(make_circle())

        with Broken("a_suggested_coach_comes_with_the_reason"):
            Case.objects.filter(pk=case.pk).update(suggested_because="")

    def test_it_counts_enrolments_of_whom_nobody_is_in_charge(self) -> None:
        """A learner without unit, relation or pool: the case waits, and the administrator's page says so."""
        learner = learners.make_learner()
        allow(learner)
        enrolment: Enrolment = learners.make_enrolment(learner=learner)
        make_escalation(Circle(learner, User(), User(), User(), enrolment))

        inbox.collect(now=NOW)

        assert Case.objects.without_coach() == {choosing.NOBODY: 1}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_give_a_coach_no_more_than_they_can_carry() -> None:
    unit, [user] = make_pool(coaches=1)
    CoachProfile.objects.create(user=user, most_cases=1)
    circles = [make_somebody(unit), make_somebody(unit)]
    wanted = [
        choosing.Wanted(one.learner.pk, one.enrolment.course_id, one.learner.language, None)
        for one in circles
    ]
    first_has_chosen, second_asks = Event(), Event()

    def hand_out() -> User | None:
        with transaction.atomic():
            [found] = choosing.choose(wanted[:1], now=NOW)
            first_has_chosen.set()
            second_asks.wait(5)
            make_case(circles[0], found.user)
        return found.user

    def hand_out_too() -> User | None:
        first_has_chosen.wait(5)
        with transaction.atomic():
            second_asks.set()
            [found] = choosing.choose(wanted[1:], now=NOW)
        return found.user

    workers = [Elsewhere(hand_out), Elsewhere(hand_out_too)]

    assert [worker.done() for worker in workers] == [user, None]


def make_case(circle: Circle, user: User | None) -> Case:
    """An escalation that somebody has to look after."""
    escalation = make_escalation(circle)
    return Case.objects.create(
        enrolment=circle.enrolment,
        episode=escalation.episode,
        decision=escalation.decision,
        is_escalation=True,
        assignee=user,
        opened_at=NOW,
        due_at=NOW,
    )
