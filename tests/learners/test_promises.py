"""Each promise of the database, broken on purpose; and that people print as pseudonyms."""

from collections.abc import Callable
from datetime import date, time, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction

from learners.models import (
    CoachConflict,
    CoachSkill,
    Competency,
    Course,
    Goal,
    Identifier,
    Learner,
    LinkCandidate,
    LinkRecord,
    Merge,
    MergeStep,
    OrgUnit,
    Preferences,
    RoleCompetency,
    ScimGroup,
    ScimMembership,
    ScimPerson,
    UnitCoach,
    User,
)
from tests.support.learners import (
    NOW,
    make_baseline,
    make_competency,
    make_course,
    make_declared,
    make_enrolment,
    make_goal,
    make_identifier,
    make_job_role,
    make_learner,
    make_manager,
    make_oversight,
    make_plan_step,
    make_role_name,
    make_scim_client,
    make_scim_person,
    make_unit,
    make_user,
)

pytestmark = pytest.mark.django_db

EARLY, LATE = date(2026, 1, 1), date(2026, 2, 1)


def twice(make: Callable[..., Any], **fields: Any) -> None:
    make(**fields)
    make(**fields)


def declared_twice() -> None:
    learner = make_learner()
    make_declared(learner=learner)
    make_declared(learner=learner, value="other")


def own_parent() -> None:
    unit = make_unit()
    OrgUnit.objects.filter(pk=unit.pk).update(parent=unit)


def same_identifier() -> None:
    one = make_identifier()
    Identifier.objects.create(learner=make_learner(), kind=one.kind, hash=one.hash, value="x")


def own_broader_competency() -> None:
    competency = make_competency()
    Competency.objects.filter(pk=competency.pk).update(parent=competency)


def record_of_nobody() -> None:
    LinkRecord.objects.create()


def pair(**fields: Any) -> LinkCandidate:
    left, right = sorted(LinkRecord.objects.get(learner=make_learner()).pk for _ in range(2))
    made = {"probability": 0.5, "weight": 0, "evidence": {}, "model_version": "x", "found_at": NOW}
    return LinkCandidate.objects.create(**{"left_id": left, "right_id": right, **made, **fields})


def same_pair() -> None:
    one = pair()
    pair(left_id=one.left_id, right_id=one.right_id)


def pair_backwards() -> None:
    one = pair()
    LinkCandidate.objects.filter(pk=one.pk).update(left=one.right_id, right=one.left_id)


def merge_row(**fields: Any) -> Merge:
    made = {"by_kind": "user", "by_uuid": UUID(int=1), "at": NOW}
    return Merge.objects.create(**{"kept": make_learner(), "duplicate": make_learner(), **made, **fields})


def merged_twice() -> None:
    merge_row(duplicate=merge_row().duplicate)


def merged_into_itself() -> None:
    learner = make_learner()
    Learner.objects.filter(pk=learner.pk).update(merged_into=learner)


def same_step() -> None:
    merge = merge_row()
    for _ in range(2):
        MergeStep.objects.create(merge=merge, position=1, table="t", keys=[], before={})


def merge_of_one() -> None:
    learner = make_learner()
    merge_row(kept=learner, duplicate=learner)


def overlapping_identifiers() -> None:
    spans = ((EARLY, LATE), (LATE - timedelta(days=1), None))
    for begins, ends in spans:
        Identifier.objects.create(
            learner=make_learner(), kind="openid", hash=b"h" * 16, value="x", valid_from=begins, valid_to=ends
        )


def coach_skill(**fields: Any) -> Any:
    return CoachSkill.objects.create(**{"user": make_user("coach"), **fields})


def kept_apart(**fields: Any) -> Any:
    made = {"learner": make_learner(), "user": make_user("coach"), "said_at": NOW}
    return CoachConflict.objects.create(**{**made, **fields})


BREACHES: dict[str, Callable[[], Any]] = {
    "a_coach_s_skill_is_a_competency_or_a_course": lambda: coach_skill(
        course=make_course(), competency=make_competency()
    ),
    "a_coach_has_a_skill_once": lambda: twice(coach_skill, user=make_user("coach"), course=make_course()),
    "a_coach_helps_in_a_unit_once": lambda: twice(
        UnitCoach.objects.create, unit=make_unit(), user=make_user("coach")
    ),
    "two_people_are_kept_apart_once": lambda: twice(
        kept_apart, learner=make_learner(), user=make_user("coach")
    ),
    "a_conflict_says_who_said_so": lambda: kept_apart(said_by="rumour"),
    "user_roles_are_known": lambda: make_user("emperor"),
    "learner_leaves_after_starting": lambda: make_learner(started_on=LATE, left_on=EARLY),
    "leave_has_a_first_and_a_last_day": lambda: make_learner(leave_from=LATE, leave_until=EARLY),
    "the_day_of_a_role_has_its_role": lambda: make_learner(role_since=EARLY),
    "an_identifier_names_one_learner_now": same_identifier,
    "learner_is_not_merged_into_itself": merged_into_itself,
    "a_link_record_is_of_a_learner_or_an_actor": record_of_nobody,
    "a_pair_is_asked_about_once": same_pair,
    "a_pair_has_one_order": pair_backwards,
    "a_link_probability_is_a_share": lambda: pair(probability=1.5),
    "a_person_decides_about_a_pair": lambda: pair(state="same"),
    "a_record_is_merged_once": merged_twice,
    "a_merge_is_of_two_records": merge_of_one,
    "a_merge_is_undone_by_somebody": lambda: merge_row(undone_at=NOW),
    "a_merge_has_one_order_of_steps": same_step,
    "a_step_changes_something": lambda: MergeStep.objects.create(
        merge=merge_row(), position=1, table="t", keys=[]
    ),
    "an_identifier_names_one_learner_at_a_time": overlapping_identifiers,
    "identifier_ends_after_it_begins": lambda: Identifier.objects.create(
        learner=make_learner(), kind="mbox", hash=b"h", value="x", valid_from=LATE, valid_to=EARLY
    ),
    "one_open_oversight_of_a_kind": lambda: twice(
        make_oversight, learner=make_learner(), user=make_manager(), kind="manager"
    ),
    "oversight_ends_after_it_begins": lambda: make_oversight(
        learner=make_learner(), user=make_manager(), kind="manager", from_date=LATE, to_date=EARLY
    ),
    "org_unit_is_not_its_own_parent": own_parent,
    "job_role_impact_is_known": lambda: make_job_role(impact="huge"),
    "a_role_asks_for_a_competency_once": lambda: twice(
        RoleCompetency.objects.create, job_role=make_job_role(), competency=make_competency()
    ),
    "course_pass_mark_is_a_share": lambda: make_course(pass_mark=40),
    "a_plan_names_an_activity_once": lambda: twice(
        make_plan_step, course=make_course(), activity_iri="https://x.test/a"
    ),
    "enrolled_once_per_start": lambda: twice(
        make_enrolment, learner=make_learner(), course=make_course(), state="failed", ended_at=NOW
    ),
    "one_active_enrolment_per_course": lambda: [
        make_enrolment(learner=learner, course=course, starts_on=day)
        for learner, course in [(make_learner(), make_course())]
        for day in (EARLY, LATE)
    ],
    "an_enrolment_ends_when_it_is_no_longer_active": lambda: make_enrolment(state="completed"),
    "enrolment_is_due_after_it_starts": lambda: make_enrolment(starts_on=LATE, due_on=EARLY),
    "competency_is_not_its_own_parent": own_broader_competency,
    "required_level_is_on_the_scale": lambda: RoleCompetency.objects.create(
        job_role=make_job_role(), competency=make_competency(), level=6
    ),
    "a_system_names_a_role_once": lambda: twice(make_role_name, name="Fitter", source="roster"),
    "similarity_is_a_share": lambda: make_role_name(similarity=1.5),
    "a_role_name_is_not_empty": lambda: make_role_name(key=""),
    "scim_groups_mean_something": lambda: make_scim_client(groups_mean="anything"),
    "a_user_name_is_given_once_per_client": lambda: twice(
        make_scim_person, client=make_scim_client(), user_name_hash=b"one"
    ),
    "a_group_name_is_given_once_per_client": lambda: twice(
        ScimGroup.objects.create,
        client=make_scim_client(),
        display_name="Works",
        created_at=NOW,
        changed_at=NOW,
    ),
    "in_a_group_once": lambda: twice(
        ScimMembership.objects.create,
        person=make_scim_person(),
        group=ScimGroup.objects.create(
            client=make_scim_client(), display_name="Works", created_at=NOW, changed_at=NOW
        ),
        since=NOW,
    ),
    "a_source_says_one_level_a_day": lambda: twice(
        make_baseline, learner=make_learner(), competency=make_competency()
    ),
    "baseline_level_is_on_the_scale": lambda: make_baseline(level=0),
    "baseline_source_is_known": lambda: make_baseline(source="rumour"),
    "study_load_is_a_plain_amount": lambda: make_enrolment(study_load=float("nan")),
    "an_attribute_is_declared_once": declared_twice,
    "declared_attribute_is_known": lambda: make_declared(name="shoe_size"),
    "quiet_hours_have_two_ends": lambda: Preferences.objects.create(
        learner=make_learner(), quiet_from=time(18), changed_at=NOW
    ),
    "channel_is_known": lambda: Preferences.objects.create(
        learner=make_learner(), channel="pigeon", changed_at=NOW
    ),
    "learning_format_is_known": lambda: Preferences.objects.create(
        learner=make_learner(), learning_format="sleep", changed_at=NOW
    ),
    "a_goal_is_a_competency_or_a_course": lambda: make_goal(
        competency=make_competency(), course=make_course()
    ),
}


@pytest.mark.parametrize("name", BREACHES)
def test_it_keeps_the_promise(name: str) -> None:
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        BREACHES[name]()


def test_it_knows_a_breach_of_every_promise() -> None:
    promised = {
        one.name for model in apps.get_app_config("learners").get_models() for one in model._meta.constraints
    }

    assert set(BREACHES) == promised


def test_it_allows_several_past_relations_and_identifiers() -> None:
    learner, manager = make_learner(), make_manager()

    twice(make_oversight, learner=learner, user=manager, kind="manager", to_date=LATE)

    assert learner.oversight.count() == 2


def test_it_prints_people_as_pseudonyms() -> None:
    learner = make_learner(name="Ada", email="ada@example.test")
    user = make_user(name="Ada", login="ada@example.test", learner=learner)
    identifier = make_identifier(learner=learner, value="ada@example.test")
    oversight = make_oversight(learner=learner, user=make_manager(), kind="manager")
    enrolment = make_enrolment(learner=learner)

    assert str(learner) == learner.pseudonym == f"Learner {str(learner.pk)[:4].upper()}"
    for row in (learner, user, identifier, oversight, enrolment):
        assert "ada" not in str(row).replace(str(learner.pk), "").lower().replace("learner ada", "")


def test_it_stores_no_name_or_address_in_the_clear() -> None:
    learner = make_learner(name="Ada Lovelace", email="ada@example.test", employee_number="E-12345")
    make_identifier(learner=learner, value="ada@example.test")
    make_user(name="Ada Lovelace", login="ada@example.test")
    make_scim_person(learner=learner, said={"displayName": "Ada Lovelace", "userName": "ada@example.test"})
    make_goal(learner=learner, words="Be a better Lovelace")

    with connection.cursor() as cursor:
        for model in (Learner, User, Identifier, ScimPerson, Goal):
            cursor.execute(f"SELECT convert_to(row_to_json(t)::text, 'UTF8') FROM {model._meta.db_table} t")
            stored = b"".join(bytes(row[0]) for row in cursor.fetchall())
            plain = stored.lower()
            for secret in (b"lovelace", b"ada@example", b"e-12345"):
                assert secret not in plain
                assert secret.hex().encode() not in plain


def test_it_names_a_course_and_a_unit_by_their_name() -> None:
    assert str(make_course(name="Safety")) == "Safety"
    assert str(make_unit(name="Works")) == "Works"
    assert Course._meta.verbose_name == "course"
