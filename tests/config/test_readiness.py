"""The checklist before modelling: measured, so it must come out differently when the data is different."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from time_machine import travel

from config.management.commands.readiness import CHECKLIST
from consent.actors import SYSTEM
from consent.models import ConsentScope, Standing
from consent.record import withdraw
from consent.scopes import Scope
from interventions.readiness import nothing_queued
from learners.models import Enrolment
from signals.features import refresh
from signals.models import FeatureRow, Label, Quarantined, Risk, VerbSynonym
from signals.quality import tally
from signals.readiness import consent_probe, data, lineage
from signals.readiness.answers import Check, Line, State, at_least, at_most, measure, percent
from tests.support.coaching import make_card, make_circle, make_decision
from tests.support.quality import counted_through, put
from tests.support.signals import ADL, NOW, account, enrolled, make_credential, send, statement

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(minutes=2)


def answers(*checks: Check, now: datetime = LATER) -> dict[str, Line]:
    return {one.key: one for one in measure(checks, now=now)}


def taught(number: int = 10) -> Enrolment:
    """Somebody who learned something, all of it counted and computed."""
    enrolment = enrolled()
    credential = make_credential().credential
    for day in range(number):
        at = NOW - timedelta(days=day, hours=1)
        send(
            statement("scored", at=at, scaled=0.4 + day / 20),
            statement("experienced", at=at + timedelta(minutes=10)),
            credential=credential,
        )
    refresh.refresh(now=LATER)
    tally.tally(now=LATER)
    return enrolment


# --- the five of the checklist ---------------------------------------------------------------------------------


def test_it_measures_whether_statements_find_their_learner() -> None:
    taught()
    good = answers(data.learner_id)["learner_matched"]
    source = make_credential(name="other").credential
    send(*[statement(actor=account("nobody-knows-me")) for _ in range(2)], credential=source)
    some = answers(data.learner_id)["learner_matched"]
    send(*[statement(actor=account("nobody-knows-me")) for _ in range(20)], credential=source)
    bad = answers(data.learner_id)["learner_matched"]

    assert [one.state for one in (good, some, bad)] == [State.PASS, State.WARN, State.FAIL]
    assert some.figure == "90.9% of 22 statements of 30 days have found their learner"
    assert good.mend == "" and "roster" in bad.mend


def test_it_notices_events_of_somebody_who_is_not_there() -> None:
    enrolment = taught()
    before = answers(data.learner_id)["learner_single"]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE learners_learner SET erased_at = %s WHERE id = %s", [NOW, enrolment.learner_id]
        )

    assert before.state is State.PASS
    assert answers(data.learner_id)["learner_single"].state is State.FAIL


def test_it_measures_utc_in_the_database_itself(settings: Any) -> None:
    before = answers(data.utc)["utc"]
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE naive_clock (at timestamp)")
    with_naive = answers(data.utc)["utc"]

    assert before.state is State.PASS
    assert with_naive.state is State.FAIL
    assert with_naive.figure.startswith("1 columns hold a time without a zone")


def test_it_measures_clocks_and_moments() -> None:
    source = make_credential().credential
    put(source, NOW.date(), statements=100, read=100, ahead=1, midnight=10)
    so_so = answers(data.utc)
    put(source, NOW.date(), statements=100, read=100, ahead=1, midnight=60, quarantined=20, misdated=20)
    bad = answers(data.utc)

    assert (so_so["clock"].state, so_so["moments"].state) == (State.PASS, State.WARN)
    assert (bad["clock"].state, bad["moments"].state) == (State.FAIL, State.FAIL)


def test_it_measures_whether_every_event_is_in_a_session() -> None:
    enrolment = taught()
    good = answers(data.sessions)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM signals_dailyrollup WHERE day < %s", [NOW.date() - timedelta(days=4)])
    bad = answers(data.sessions)

    assert good["sessionized"].state is State.PASS
    assert good["sessionized"].value == 1.0
    assert good["sessions_hold"].value == 1.0  # two events within ten minutes
    assert bad["sessionized"].state is State.FAIL
    withdraw(subject=enrolment.learner_id, scope=Scope.PROFILE, by=SYSTEM, now=LATER)
    assert answers(data.sessions)["sessionized"].value is None  # nobody is left to compute about


def test_it_measures_sparsity() -> None:
    taught()
    before = answers(data.sparsity)
    enrolled("person-0002")
    enrolled("person-0003")

    after = answers(data.sparsity)

    assert before["sparse_results"].state is State.PASS
    assert before["sparse_scores"].value == 1
    assert after["sparse_results"].state is State.FAIL
    assert (
        "33.3% of 3 active enrolments have a result, 1 have three scores or more"
        in after["sparse_results"].figure
    )


def test_it_proves_consent_by_trying_it_out_and_leaves_nothing_behind() -> None:
    taught()
    models = [model for model in apps.get_models(include_auto_created=True) if model._meta.managed]
    before = {model._meta.label: model._base_manager.count() for model in models}

    found = answers(consent_probe.enforced)

    assert found["consent_trial"].state is State.PASS
    assert found["consent_trial"].figure == "11 of 11 queries leave out a person who withdrew"
    assert {model._meta.label: model._base_manager.count() for model in models} == before


def test_it_finds_every_query_before_and_none_after() -> None:
    found = consent_probe.trial(now=LATER)

    assert {(scope, name) for scope, name, _, _ in found} == {
        (scope, name) for scope, names in consent_probe.ASKED.items() for name in names
    }
    assert all(before and not after for _, _, before, after in found)


def _everybody(subjects: Iterable[UUID], scope: Scope) -> set[UUID]:
    return set(subjects)


@pytest.mark.parametrize(
    ("forgetful", "leak"),
    [
        ("signals.features.allowed.gate.filter_allowed", "features after “profile” was withdrawn"),
        ("signals.normalize.filter_allowed", "new events after “record” was withdrawn"),
        ("signals.features.sessions.gate.filter_allowed", "learning sessions after “profile” was withdrawn"),
    ],
)
def test_it_notices_a_query_that_forgets_to_ask(
    monkeypatch: pytest.MonkeyPatch, forgetful: str, leak: str
) -> None:
    monkeypatch.setattr(forgetful, _everybody)

    line = answers(consent_probe.enforced)["consent_trial"]

    assert line.state is State.FAIL
    assert leak in line.figure


def test_it_does_not_take_a_query_that_finds_nobody_for_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consent_probe, "learning_sessions", lambda *args, **kwargs: [])

    line = answers(consent_probe.enforced)["consent_trial"]

    assert line.state is State.WARN
    assert (
        "learning sessions (profile), learning sessions (record) did not find the person even before"
        in line.figure
    )


def test_it_tries_consent_where_consent_is_the_basis() -> None:
    ConsentScope.objects.filter(key__in=("record", "profile")).update(lawful_basis="consent")

    assert answers(consent_probe.enforced)["consent_trial"].state is State.PASS


def test_it_looks_up_what_is_kept_of_those_who_withdrew() -> None:
    enrolment = taught()
    withdraw(subject=enrolment.learner_id, scope=Scope.RECORD, by=SYSTEM, now=LATER)
    clean = answers(consent_probe.enforced)["consent_kept"]
    FeatureRow.objects.create(enrolment=enrolment, feature_set="x", values={}, as_of=NOW, known_seq=0)

    dirty = answers(consent_probe.enforced)["consent_kept"]

    assert (clean.state, dirty.state) == (State.PASS, State.FAIL)
    assert dirty.figure.startswith("1 people have withdrawn; of them 1 feature rows, 0 risks and 0 events")


def test_it_notices_events_from_after_a_withdrawal() -> None:
    enrolment = taught()
    Standing.objects.create(
        subject=enrolment.learner_id, scope="record", allowed=False, since=NOW - timedelta(hours=1)
    )
    Risk.objects.all().delete()
    FeatureRow.objects.all().delete()

    kept = answers(consent_probe.enforced)["consent_kept"]

    assert (kept.state, kept.value) == (State.FAIL, 20)


def test_it_looks_for_messages_to_those_who_refuse_them() -> None:
    circle = make_circle()
    make_card(make_decision(circle.enrolment))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE interventions_delivery SET state = 'queued', sent_at = NULL")
    before = answers(nothing_queued)["consent_queued"]
    Standing.objects.update_or_create(
        subject=circle.learner.pk, scope="nudge", defaults={"allowed": False, "since": NOW}
    )

    assert (before.state, answers(nothing_queued)["consent_queued"].state) == (State.PASS, State.FAIL)


def make_labels(enrolment: Enrolment, *, definition: str, horizon: int, number: int, value: bool) -> None:
    Label.objects.bulk_create(
        Label(
            enrolment=enrolment,
            as_of=NOW - timedelta(days=400, minutes=2 * index + value),
            definition=definition,
            value=value,
            horizon_days=horizon,
            treated=False,
            recorded_at=NOW,
        )
        for index in range(number)
    )


def test_it_measures_that_labels_are_versioned_and_enough() -> None:
    enrolment = enrolled()
    none = answers(lineage.labels)
    make_labels(enrolment, definition="recovered_14d@1", horizon=14, number=100, value=True)
    make_labels(enrolment, definition="recovered_14d@1", horizon=14, number=120, value=False)
    good = answers(lineage.labels)
    make_labels(enrolment, definition="recovered_14d", horizon=14, number=1, value=True)
    bad = answers(lineage.labels)

    assert [found["labels_versioned"].state for found in (none, good, bad)] == [
        State.WARN,
        State.PASS,
        State.FAIL,
    ]
    assert "recovered_14d" in bad["labels_versioned"].figure
    assert (none["labels_enough"].state, good["labels_enough"].state) == (State.WARN, State.PASS)


def test_it_notices_a_changed_horizon_under_the_same_version() -> None:
    make_labels(enrolled(), definition="recovered_14d@1", horizon=21, number=1, value=True)

    assert answers(lineage.labels)["labels_versioned"].state is State.FAIL


# --- what else the seed asks -----------------------------------------------------------------------------------


def test_it_notices_labels_that_know_the_future() -> None:
    enrolment = enrolled()
    before = answers(lineage.leaks)["leaks"]
    Label.objects.create(
        enrolment=enrolment,
        as_of=NOW - timedelta(days=3),
        definition="recovered_14d@1",
        value=True,
        horizon_days=14,
        treated=False,
        recorded_at=NOW,
    )

    assert (before.state, answers(lineage.leaks)["leaks"].state) == (State.PASS, State.FAIL)


def test_it_makes_events_again_and_notices_what_has_changed() -> None:
    taught()
    good = answers(lineage.raw)["raw"]
    VerbSynonym.objects.filter(iri=ADL + "experienced").update(verb=4)
    bad = answers(lineage.raw)["raw"]

    assert (good.state, good.figure) == (State.PASS, "20 of 20 sampled events come out the same")
    assert (bad.state, bad.value) == (State.FAIL, 0.5)


def test_it_notices_when_the_silent_are_left_out() -> None:
    taught()
    silent = enrolled("person-0002")
    refresh.refresh_enrolments([silent.pk], now=LATER)
    good = answers(data.survivors)["survivors"]
    FeatureRow.objects.filter(pk=silent.pk).delete()

    assert (good.state, good.value) == (State.PASS, 1.0)
    assert answers(data.survivors)["survivors"].state is State.FAIL


def test_it_measures_what_comes() -> None:
    enrolled()
    source = make_credential("write", "bulk").credential
    at = NOW - timedelta(hours=1)
    twin = statement("urn:x:juggled", at=at, course="https://elsewhere.test/course")
    send(twin, {**twin, "id": statement()["id"]}, {"verb": {}}, credential=source, bulk=True)
    tally.tally(now=LATER)

    found = answers(data.intake)

    assert {key: one.state for key, one in found.items()} == dict.fromkeys(
        ("required_fields", "duplicates", "canonical_verbs", "in_courses"), State.FAIL
    )
    Quarantined.objects.update(state="requeued", settled_at=NOW)
    assert answers(data.intake)["required_fields"].state is State.PASS


def test_it_measures_that_somebody_watches() -> None:
    unwatched = answers(data.monitoring)["watched"]
    counted_through(LATER - timedelta(minutes=5))
    watched = answers(data.monitoring)["watched"]
    counted_through(LATER - timedelta(hours=2))
    asleep = answers(data.monitoring)["watched"]

    assert [one.state for one in (unwatched, watched, asleep)] == [State.WARN, State.PASS, State.FAIL]


def test_it_has_an_answer_for_an_empty_installation() -> None:
    lines = measure(CHECKLIST, now=LATER)

    assert len({one.key for one in lines}) == len(lines)
    assert not [one for one in lines if one.state is State.FAIL]
    assert all(one.mend for one in lines if one.state is State.WARN)


# --- the command -----------------------------------------------------------------------------------------------


def run(*options: str) -> str:
    out = StringIO()
    with travel(LATER, tick=False):
        call_command("readiness", *options, stdout=out, no_color=True)
    return out.getvalue()


def test_it_prints_each_line_with_its_figure_threshold_and_what_to_do() -> None:
    send(
        *[statement(actor=account("nobody-knows-me")) for _ in range(4)],
        credential=make_credential().credential,
    )

    told = run()

    assert (
        "FAIL  Do you have a single, stable learner_id across systems?\n"
        "      0% of 4 statements of 30 days have found their learner. Wanted: 98% (warns down to 90%).\n"
        "      To do: Import the roster"
    ) in told
    assert told.rstrip().endswith("1 fail.")


def test_it_prints_json() -> None:
    taught()

    told = json.loads(run("--json"))

    assert told["at"] == LATER.astimezone(UTC).isoformat()
    assert sum(told["counts"].values()) == len(told["lines"])
    first = told["lines"][0]
    assert (first["key"], first["state"], first["value"]) == ("learner_matched", "pass", 1.0)


def test_it_ends_with_status_1_only_when_asked_to_be_strict() -> None:
    send(
        *[statement(actor=account("nobody-knows-me")) for _ in range(4)],
        credential=make_credential().credential,
    )

    run()
    with pytest.raises(SystemExit) as ended:
        run("--strict")

    assert ended.value.code == 1


def test_it_ends_well_when_strict_and_nothing_fails() -> None:
    run("--strict")


@pytest.mark.parametrize(
    ("value", "more_is_better", "less_is_better"),
    [
        (0.98, State.PASS, State.FAIL),
        (0.97, State.WARN, State.FAIL),
        (0.9, State.WARN, State.FAIL),
        (0.89, State.FAIL, State.FAIL),
        (0.3, State.FAIL, State.WARN),
        (0.05, State.FAIL, State.PASS),
        (None, State.WARN, State.WARN),
    ],
)
def test_it_passes_on_the_threshold_itself(
    value: float | None, more_is_better: State, less_is_better: State
) -> None:
    assert at_least(value, 0.98, 0.9) is more_is_better
    assert at_most(value, 0.05, 0.3) is less_is_better


def test_it_never_rounds_up_to_all() -> None:
    assert [percent(value) for value in (1, 0.99999, 0.5, 0)] == ["100%", "over 99.9%", "50.0%", "0%"]
