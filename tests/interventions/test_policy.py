"""The policy: a document that is checked place by place, and versions of which one is in force."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection

from consent.models import AuditEntry
from interventions.models import Policy
from interventions.policy import store
from interventions.policy.document import (
    BOUNDS,
    Document,
    PolicyFault,
    differences,
    dump,
    faults,
    flat,
    load,
    with_changes,
)
from interventions.policy.forms import SECTIONS, PolicyForm, field_name, label_of
from tests.support.interventions import NOW, make_enrolment, make_policy

BY = UUID("00000000-0000-4000-8000-00000000000a")


def test_it_loads_what_it_dumps() -> None:
    assert load(dump(Document())) == Document()


def test_it_finds_no_fault_in_the_defaults() -> None:
    assert faults(Document()) == []


@pytest.mark.parametrize(
    ("place", "value", "where"),
    [
        ("bands.medium", 0.8, "bands.high"),
        ("bands.medium", 0.0, "bands.medium"),
        ("bands.high", 1.0, "bands.high"),
        ("bands.high", 0.45, "bands.high"),
        ("bands.hysteresis", 0.45, "bands.hysteresis"),
        ("bands.hysteresis", -0.1, "bands.hysteresis"),
        ("bands.min_coverage", 1.1, "bands.min_coverage"),
        ("triggers.mastery.recovered_at", 0.59, "triggers.mastery.recovered_at"),
        ("triggers.inactivity.days", 0, "triggers.inactivity.days"),
        ("ladder.fast_hours", 100, "ladder.fast_hours"),
        ("ladder.episode_days", 2, "ladder.episode_days"),
        ("limits.quiet_from", "25:00", "limits.quiet_from"),
        ("limits.quiet_to", "18:00", "limits.quiet_to"),
        ("costs.nudge", -1, "costs.nudge"),
        ("value.lifts.coach.mean", 2, "value.lifts.coach.mean"),
    ],
)
def test_it_names_the_place_that_does_not_fit(place: str, value: Any, where: str) -> None:
    with pytest.raises(PolicyFault) as refused:
        with_changes(Document(), {place: value})

    assert where in [fault.place for fault in refused.value.faults]


def test_it_names_every_fault_at_once() -> None:
    with pytest.raises(PolicyFault) as refused:
        with_changes(Document(), {"bands.high": 0.4, "costs.coach": -1})

    assert [fault.place for fault in refused.value.faults] == ["costs.coach", "bands.high"]


def test_it_starts_the_ladder_with_an_automated_step_unless_the_role_is_critical() -> None:
    values = dump(Document())
    values["matrix"]["standard"]["medium"] = ["manager", "coach", "coach"]

    with pytest.raises(PolicyFault, match="first step must be automated") as refused:
        load(values)

    assert [fault.place for fault in refused.value.faults] == ["matrix.standard.medium.0"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["matrix"]["standard"].pop("high"), "choose an action"),
        (lambda d: d["matrix"].update(tiny={}), "no such role impact"),
        (lambda d: d["matrix"]["standard"].update(low=["monitor", "monitor", "monitor"]), "no such band"),
        (lambda d: d["value"]["lifts"].pop("nudge"), "value.lifts.nudge.mean: this value is missing"),
        (lambda d: d.update(colour="red"), "unknown field"),
        (lambda d: d["bands"].update(medium="much"), "bands.medium"),
    ],
)
def test_it_refuses_a_document_of_another_shape(change: Any, words: str) -> None:
    values = dump(Document())
    change(values)

    with pytest.raises(PolicyFault, match=words):
        load(values)


def test_it_refuses_a_change_at_a_place_that_is_not_there() -> None:
    with pytest.raises(PolicyFault, match="no such place"):
        with_changes(Document(), {"bands.medum": 0.5})


def test_it_lists_the_places_at_which_two_documents_differ() -> None:
    values = dump(Document())
    values["bands"]["medium"] = 0.5
    values["matrix"]["standard"]["medium"][1] = "coach"

    changes = differences(Document(), load(values))

    assert [(change.place, change.before, change.after) for change in changes] == [
        ("bands.medium", 0.45, 0.5),
        ("matrix.standard.medium.1", "lesson", "coach"),
    ]


def test_it_bounds_only_places_that_exist() -> None:
    assert set(BOUNDS) <= {place for place, _ in flat(Document())}


@pytest.mark.django_db
class TestStore:
    def test_it_begins_with_version_1_and_all_defaults(self) -> None:
        policy = store.live()

        assert policy.version == 1
        assert store.document(policy) == Document()

    def test_it_begins_anew_on_a_database_without_any_policy(self) -> None:
        # Only a database that was emptied is like this; a live policy cannot be deleted.
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE interventions_policy CASCADE")

        assert store.live().version == 1
        assert store.document(store.live()) == Document()

    def test_it_says_so_when_no_policy_is_in_force(self) -> None:
        Policy.objects.filter(pk=store.live().pk).update(state="retired")

        with pytest.raises(store.NoPolicyInForce, match="put a draft in force"):
            store.live()

    def test_it_drafts_from_the_live_policy(self) -> None:
        draft = store.draft_from_live(by=BY, now=NOW, changes={"bands.medium": 0.5})

        assert (draft.version, draft.state, draft.created_by) == (2, "draft", BY)
        assert differences(Document(), store.document(draft))[0].after == 0.5
        assert store.live().version == 1

    def test_it_refuses_a_draft_with_faults(self) -> None:
        with pytest.raises(PolicyFault):
            store.draft_from_live(by=BY, now=NOW, changes={"bands.medium": 0.9})

        assert Policy.objects.count() == 1

    def test_it_puts_a_draft_in_force_at_once_and_retires_the_one_before(self) -> None:
        draft = store.draft_from_live(by=BY, now=NOW, changes={"bands.medium": 0.5})

        store.go_live(policy=draft, by=BY, now=NOW, reason="Fewer messages")

        assert store.live() == draft
        assert store.document(store.live()).bands.medium == 0.5
        assert list(Policy.objects.order_by("version").values_list("version", "state")) == [
            (1, "retired"),
            (2, "live"),
        ]
        live = Policy.objects.get(version=2)
        assert (live.live_at, live.reason) == (NOW, "Fewer messages")

    def test_it_audits_who_changed_the_policy(self) -> None:
        draft = store.draft_from_live(by=BY, now=NOW)
        store.go_live(policy=draft, by=BY, now=NOW, reason="The same again")

        entries = AuditEntry.objects.order_by("pk").values_list("actor_uuid", "action", "detail")

        assert list(entries) == [
            (BY, "policy.drafted", {"version": 2, "base": 1}),
            (BY, "policy.live", {"version": 2, "replaces": 1}),
        ]

    def test_it_wants_a_reason(self) -> None:
        draft = make_policy()

        with pytest.raises(store.ReasonMissing):
            store.go_live(policy=draft, by=BY, now=NOW, reason="  ")

    def test_it_puts_a_draft_in_force_once(self) -> None:
        draft = make_policy()
        store.go_live(policy=draft, by=BY, now=NOW, reason="First")

        with pytest.raises(store.NotADraft):
            store.go_live(policy=draft, by=BY, now=NOW, reason="Second")

        assert Policy.objects.get(pk=draft.pk).reason == "First"

    def test_it_keeps_the_old_policy_in_force_when_the_draft_is_broken(self) -> None:
        draft = make_policy()
        Policy.objects.filter(pk=draft.pk).update(document={"bands": {"medium": 2}})
        draft.refresh_from_db()

        with pytest.raises(PolicyFault):
            store.go_live(policy=draft, by=BY, now=NOW, reason="Oops")

        assert store.live().version == 1

    def test_it_revises_drafts_only(self) -> None:
        draft = make_policy()
        changed = with_changes(Document(), {"costs.coach": 60})

        revised = store.revise(policy=draft, changes=changed, by=BY, now=NOW)

        assert store.document(revised) == changed
        with pytest.raises(store.NotADraft):
            store.revise(policy=store.live(), changes=changed, by=BY, now=NOW)

    def test_it_rolls_back_by_a_new_version_with_the_old_document(self) -> None:
        draft = store.draft_from_live(by=BY, now=NOW, changes={"bands.medium": 0.5})
        store.go_live(policy=draft, by=BY, now=NOW, reason="Fewer messages")

        rolled = store.roll_back(to_version=1, by=BY, now=NOW + timedelta(days=1), reason="Too few")

        assert (rolled.version, rolled.state) == (3, "live")
        assert store.document(store.live()) == Document()
        assert list(Policy.objects.order_by("version").values_list("state", flat=True)) == [
            "retired",
            "retired",
            "live",
        ]

    def test_it_rolls_back_only_to_what_was_in_force(self) -> None:
        make_policy()

        with pytest.raises(store.NotPutInForceYet):
            store.roll_back(to_version=2, by=BY, now=NOW, reason="Back")

        assert store.live().version == 1


def posted(document: Document, **changes: Any) -> dict[str, Any]:
    """What a browser sends for this document."""
    values = {field_name(place): value for place, value in flat(document)} | changes
    return {name: value for name, value in values.items() if value is not False}


@pytest.mark.django_db
class TestForm:
    def test_it_has_a_field_for_every_place_of_the_document(self) -> None:
        form = PolicyForm(start=Document())

        assert set(form.fields) == {field_name(place) for place, _ in flat(Document())}
        assert all(label_of(place.place) == place.label for section in SECTIONS for place in section.places)

    def test_it_gives_back_the_document_it_started_from(self) -> None:
        form = PolicyForm(posted(Document()), start=Document())

        assert form.is_valid(), form.errors
        assert form.document() == Document()

    def test_it_takes_numbers_ticks_and_routes(self) -> None:
        form = PolicyForm(
            posted(
                Document(),
                bands__medium="0.5",
                automation__nudge="on",
                triggers__composite__enabled=False,
                matrix__standard__medium__1="coach",
                ladder__normal_hours="71.5",
            ),
            start=Document(),
        )

        assert form.is_valid(), form.errors
        document = form.document()
        assert document.bands.medium == 0.5
        assert document.automation.nudge is True
        assert document.triggers.composite.enabled is False
        assert document.matrix["standard"]["medium"] == ("nudge", "coach", "manager")
        assert document.ladder.normal_hours == 71.5

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"bands__medium": "0.9"}, "bands__high"),
            ({"bands__medium": "lots"}, "bands__medium"),
            ({"limits__quiet_from": "6pm"}, "limits__quiet_from"),
            ({"matrix__standard__medium__0": "coach"}, "matrix__standard__medium__0"),
            ({"matrix__standard__medium__0": "shout"}, "matrix__standard__medium__0"),
            ({"costs__coach": ""}, "costs__coach"),
        ],
    )
    def test_it_marks_the_field_that_does_not_fit(self, change: dict[str, str], field: str) -> None:
        form = PolicyForm(posted(Document(), **change), start=Document())

        assert not form.is_valid()
        assert list(form.errors) == [field]

    def test_it_offers_the_courses_for_a_pilot_and_keeps_one_that_is_gone(self) -> None:
        course = make_enrolment().course
        gone = f"https://lms.example/{uuid4()}"
        start = with_changes(Document(), {"pilot_courses": [gone]})
        form = PolicyForm(posted(start, pilot_courses=[course.iri, gone]), start=start)

        assert form.is_valid(), form.errors
        assert form.document().pilot_courses == (course.iri, gone)

    def test_it_takes_overrides_as_lines_and_shows_them_so(self) -> None:
        lines = (
            "critical: mastery.below = 0.5, inactivity.days = 4\n"
            "standard https://lms.example/safety: deadline.enabled = yes, pace.repeat = first"
        )
        form = PolicyForm(posted(Document(), triggers__overrides=lines), start=Document())

        assert form.is_valid(), form.errors
        made = form.document()
        assert made.triggers.overrides[1].course == "https://lms.example/safety"
        assert made.triggers.overrides[1].changes == {"deadline.enabled": True, "pace.repeat": "first"}
        assert str(PolicyForm(start=made)["triggers__overrides"].value()) != ""
        assert lines.splitlines()[0] in str(PolicyForm(start=made)["triggers__overrides"])

    @pytest.mark.parametrize(
        "line",
        [
            "critical",
            "critical: nonsense",
            "critical: pace.speed = 3",
            "royal: pace.below = 0.5",
            "critical: pace.repeat = often",
        ],
    )
    def test_it_says_which_line_cannot_be_read(self, line: str) -> None:
        form = PolicyForm(posted(Document(), triggers__overrides=line), start=Document())

        assert not form.is_valid()
        assert list(form.errors) == ["triggers__overrides"]
