"""People see people only through visible_to, and access names the same people."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from pytest_django import DjangoAssertNumQueries

from learners import access
from learners.models import Enrolment, Learner, OrgUnit, Role, User
from tests.support.learners import (
    NOW,
    TODAY,
    make_coach,
    make_enrolment,
    make_learner,
    make_manager,
    make_oversight,
    make_unit,
    make_user,
)

pytestmark = pytest.mark.django_db

BOTH_KINDS = pytest.mark.parametrize(("kind", "make"), [("manager", make_manager), ("coach", make_coach)])
Make = Callable[..., User]


def seen_by(user: Any, on: date | None = TODAY) -> set[Learner]:
    return set(Learner.objects.visible_to(user, on=on))


def in_charge(kind: str, learner: Learner, on: date = TODAY) -> User | None:
    ask = {"manager": access.manager_of, "coach": access.coach_of}[kind]
    return ask([learner.pk], on=on).get(learner.pk)


@BOTH_KINDS
def test_it_shows_those_of_an_open_relation_and_nobody_else(kind: str, make: Make) -> None:
    user, stranger = make(), make()
    learner = make_learner(**{kind: user})
    make_learner()

    assert seen_by(user) == {learner}
    assert seen_by(stranger) == set()
    assert in_charge(kind, learner) == user


@BOTH_KINDS
def test_it_follows_the_dates_of_a_relation(kind: str, make: Make) -> None:
    before, after = make(), make()
    learner = make_learner()
    make_oversight(
        learner=learner, user=before, kind=kind, from_date=date(2026, 1, 1), to_date=date(2026, 2, 1)
    )
    make_oversight(learner=learner, user=after, kind=kind, from_date=date(2026, 2, 1))

    assert (seen_by(before, date(2026, 1, 31)), seen_by(after, date(2026, 1, 31))) == ({learner}, set())
    assert (seen_by(before, date(2026, 2, 1)), seen_by(after, date(2026, 2, 1))) == (set(), {learner})
    assert in_charge(kind, learner, date(2026, 1, 31)) == before
    assert in_charge(kind, learner, date(2026, 2, 1)) == after
    assert in_charge(kind, learner, date(2025, 12, 31)) is None


def test_it_asks_the_database_for_today_where_no_date_is_given() -> None:
    manager = make_manager()
    learner = make_learner(manager=manager)
    gone = make_learner()
    make_oversight(learner=gone, user=manager, kind="manager", to_date=date(2026, 1, 2))

    assert seen_by(manager, None) == {learner}


@BOTH_KINDS
def test_it_falls_back_to_the_unit_and_those_above_it(kind: str, make: Make) -> None:
    user = make()
    top = make_unit(**{kind: user})
    deep = make_unit(parent=make_unit(parent=top))
    learner = make_learner(unit=deep)
    make_learner(unit=make_unit())

    assert seen_by(user) == {learner}
    assert in_charge(kind, learner) == user


@BOTH_KINDS
def test_it_lets_the_nearest_unit_decide(kind: str, make: Make) -> None:
    above, near = make(), make()
    top = make_unit(**{kind: above})
    learner = make_learner(unit=make_unit(parent=make_unit(parent=top, **{kind: near})))

    assert seen_by(near) == {learner}
    assert seen_by(above) == set()
    assert in_charge(kind, learner) == near


@BOTH_KINDS
def test_it_prefers_a_dated_relation_to_the_unit(kind: str, make: Make) -> None:
    of_unit, own = make(), make()
    learner = make_learner(unit=make_unit(**{kind: of_unit}), **{kind: own})

    assert seen_by(own) == {learner}
    assert seen_by(of_unit) == set()
    assert in_charge(kind, learner) == own


@BOTH_KINDS
def test_it_puts_nobody_in_charge_of_themselves(kind: str, make: Make) -> None:
    boss = make()
    top = make_unit(**{kind: boss})
    head = make_learner()
    head_user = make(learner=head)
    team = make_unit(parent=top, **{kind: head_user})
    Learner.objects.filter(pk=head.pk).update(unit=team)
    member = make_learner(unit=team)
    make_oversight(learner=head, user=head_user, kind=kind)

    assert seen_by(head_user) == {head, member}  # oneself, as a learner
    assert seen_by(boss) == {head}
    assert in_charge(kind, head) == boss
    assert in_charge(kind, member) == head_user


@BOTH_KINDS
@pytest.mark.parametrize(
    "change", [{"is_active": False}, {"roles": []}], ids=["inactive", "without the role"]
)
def test_it_counts_somebody_who_cannot_act_as_absent(kind: str, make: Make, change: dict[str, Any]) -> None:
    boss, gone = make(), make()
    top = make_unit(**{kind: boss})
    own_gone = make_learner(unit=top, **{kind: gone})
    unit_gone = make_learner(unit=make_unit(parent=top, **{kind: gone}))
    User.objects.filter(pk=gone.pk).update(**change)
    gone.refresh_from_db()

    assert seen_by(gone) == set()
    assert seen_by(boss) == {own_gone, unit_gone}
    assert {in_charge(kind, own_gone), in_charge(kind, unit_gone)} == {boss}


def test_it_shows_an_administrator_everybody() -> None:
    learners = {make_learner(), make_learner(unit=make_unit())}

    assert seen_by(make_user(Role.ADMIN)) == learners


def test_it_shows_a_learner_only_themselves() -> None:
    learner = make_learner()
    make_learner()

    assert seen_by(make_user(Role.LEARNER, learner=learner)) == {learner}


def test_it_shows_a_reviewer_nobody() -> None:
    reviewer = make_user(Role.REVIEWER)
    make_learner(manager=reviewer, unit=make_unit(manager=reviewer, coach=reviewer))

    assert seen_by(reviewer) == set()


def test_it_shows_a_stranger_nobody() -> None:
    make_learner(unit=make_unit())

    assert seen_by(AnonymousUser()) == set()
    assert seen_by(make_user()) == set()
    assert seen_by(make_user(Role.ADMIN, is_active=False)) == set()


def test_it_adds_up_several_roles() -> None:
    myself = make_learner()
    user = make_user(Role.LEARNER, Role.MANAGER, Role.COACH, learner=myself)
    report, coachee = make_learner(manager=user), make_learner(unit=make_unit(coach=user))
    make_learner()

    assert seen_by(user) == {myself, report, coachee}


def test_it_does_not_show_the_people_a_manager_only_coaches_without_the_role() -> None:
    manager = make_manager()
    make_learner(coach=manager)

    assert seen_by(manager) == set()


def test_it_hides_the_erased_from_everybody() -> None:
    manager = make_manager()
    make_learner(manager=manager, erased_at=NOW)

    assert seen_by(manager) == set()
    assert seen_by(make_user(Role.ADMIN)) == set()


def test_it_survives_a_circle_of_units() -> None:
    manager = make_manager()
    first = make_unit(manager=manager)
    second = make_unit(parent=first)
    OrgUnit.objects.filter(pk=first.pk).update(parent=second)
    learner = make_learner(unit=second)

    assert seen_by(manager) == {learner}
    assert in_charge("manager", learner) == manager
    assert set(OrgUnit.objects.filter(pk=first.pk).descendants()) == {first, second}


def test_it_asks_one_query_however_many_people(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    user = make_user(Role.MANAGER, Role.COACH, learner=make_learner())
    top = make_unit(manager=user)
    for _ in range(20):
        make_learner(unit=make_unit(parent=top))
    ids = list(Learner.objects.values_list("pk", flat=True))

    with django_assert_num_queries(1):
        assert len(Learner.objects.visible_to(user)) == 21
    with django_assert_num_queries(2):
        assert len(access.manager_of(ids, on=TODAY)) == 20


def test_it_shows_the_enrolments_of_those_who_are_seen() -> None:
    manager = make_manager()
    mine = make_enrolment(learner=make_learner(manager=manager))
    make_enrolment()

    assert set(Enrolment.objects.visible_to(manager, on=TODAY)) == {mine}
    assert not Enrolment.objects.visible_to(make_manager(), on=TODAY).exists()


def test_it_finds_all_units_below_in_one_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    top = make_unit()
    child = make_unit(parent=top)
    grandchild = make_unit(parent=child)
    make_unit()

    with django_assert_num_queries(1):
        assert set(OrgUnit.objects.filter(pk=top.pk).descendants()) == {child, grandchild}
    assert set(OrgUnit.objects.filter(pk=top.pk).descendants(include_self=True)) == {top, child, grandchild}
    assert not OrgUnit.objects.none().descendants().exists()


def test_it_counts_as_staff_until_the_day_of_leaving() -> None:
    staff = make_learner()
    leaver = make_learner(left_on=date(2026, 3, 3))
    make_learner(left_on=TODAY)
    make_learner(erased_at=NOW)

    assert set(Learner.objects.current_staff(TODAY)) == {staff, leaver}


def test_it_finds_those_with_a_role_who_can_sign_in() -> None:
    coach = make_user(Role.COACH, Role.MANAGER)
    make_coach(is_active=False)
    make_manager()

    assert set(User.objects.with_role(Role.COACH)) == {coach}


def test_it_says_whether_somebody_may_be_seen() -> None:
    manager = make_manager()
    learner = make_learner(manager=manager)

    assert access.can_see(manager, learner.pk, on=TODAY)
    assert not access.can_see(make_manager(), learner.pk, on=TODAY)


def test_it_audits_a_page_of_reading_with_one_entry(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    from consent.models import AuditEntry

    me = make_learner()
    manager = make_manager(learner=me)
    learners = [make_learner() for _ in range(3)]

    with django_assert_num_queries(1):
        shown = access.audited(manager, [me, *learners], action="team.read", now=NOW)

    entry = AuditEntry.objects.get()
    assert shown == [me, *learners]
    assert entry.action == "team.read"
    assert entry.actor_uuid == manager.pk
    assert str(me.pk) not in str(entry.detail)
    assert all(str(learner.pk) in str(entry.detail) for learner in learners)


def test_it_leaves_no_trace_of_reading_about_oneself() -> None:
    from consent.models import AuditEntry

    learner = make_learner()

    access.audited(make_user(Role.LEARNER, learner=learner), [learner], action="me.read", now=NOW)

    assert not AuditEntry.objects.exists()
