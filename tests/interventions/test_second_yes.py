"""A louder draft needs another administrator, or a day where there is none."""

import os
import subprocess
import sys
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from config.env import BASE_DIR
from consent.models import AuditEntry
from interventions.models import Policy, PolicyProposal
from interventions.policy import seconding, store
from interventions.policy.document import Document, with_changes
from interventions.policy.louder import Reason
from learners.models import User
from tests.support.interventions import NOW, make_admin, make_policy

pytestmark = pytest.mark.django_db
LOUD = with_changes(Document(), {"bands.medium": 0.4})
QUIET = with_changes(Document(), {"bands.medium": 0.5})
DAY = timedelta(hours=24)


@pytest.fixture
def two() -> tuple[User, User]:
    return make_admin(), make_admin()


def propose(policy: Policy, by: User, **more: Any) -> PolicyProposal:
    proposal = seconding.put_in_force(policy=policy, by=by.pk, now=NOW, reason="More help", **more)
    assert proposal is not None
    return proposal


def test_it_puts_a_quieter_draft_in_force_at_once(two: tuple[User, User]) -> None:
    draft = make_policy(document=QUIET)

    assert seconding.put_in_force(policy=draft, by=two[0].pk, now=NOW, reason="Less") is None
    assert store.live().version == draft.version


def test_it_waits_with_a_louder_one_for_another_administrator(two: tuple[User, User]) -> None:
    draft = make_policy(document=LOUD)

    proposal = propose(draft, two[0])

    assert store.live().version == 1
    assert proposal.needs == [["bands.medium", "a lower bound lets more people in"]]
    assert proposal.waits_until is None

    seconding.approve(policy=draft, by=two[1].pk, now=NOW, note="Fine")

    assert (store.live().version, store.live().reason) == (draft.version, "More help")
    proposal.refresh_from_db()
    assert (proposal.state, proposal.answered_by) == ("approved", two[1].pk)


def test_it_writes_down_who_proposed_and_who_agreed(two: tuple[User, User]) -> None:
    draft = make_policy(document=LOUD)
    propose(draft, two[0])
    seconding.approve(policy=draft, by=two[1].pk, now=NOW)

    entries = list(AuditEntry.objects.order_by("pk").values_list("actor_uuid", "action", "detail"))

    assert [(actor, action) for actor, action, _ in entries] == [
        (two[0].pk, "policy.proposed"),
        (two[1].pk, "policy.approved"),
        (two[1].pk, "policy.live"),
    ]
    assert entries[1][2]["proposed_by"] == str(two[0].pk)


def test_it_takes_no_yes_from_who_proposed(two: tuple[User, User]) -> None:
    draft = make_policy(document=LOUD)
    propose(draft, two[0])

    with pytest.raises(seconding.OwnProposal):
        seconding.approve(policy=draft, by=two[0].pk, now=NOW)

    assert store.live().version == 1


def test_it_lets_nobody_go_round_the_second_yes(two: tuple[User, User]) -> None:
    draft = make_policy(document=LOUD)

    with pytest.raises(store.NeedsSecondYes):
        store.go_live(policy=draft, by=two[0].pk, now=NOW, reason="At once")

    assert store.live().version == 1


def test_it_forgets_a_yes_when_the_draft_changes(two: tuple[User, User]) -> None:
    draft = make_policy(document=LOUD)
    propose(draft, two[0])
    store.revise(policy=draft, changes=with_changes(LOUD, {"bands.medium": 0.2}), by=two[0].pk, now=NOW)

    with pytest.raises(seconding.Outdated):
        seconding.approve(policy=draft, by=two[1].pk, now=NOW)

    again = propose(draft, two[0])
    assert list(PolicyProposal.objects.order_by("pk").values_list("state", flat=True)) == [
        "outdated",
        "waiting",
    ]
    assert seconding.is_current(again)


def test_it_asks_anew_when_another_policy_came_into_force_meanwhile(two: tuple[User, User]) -> None:
    draft = make_policy(document=LOUD)
    propose(draft, two[0])
    store.go_live(policy=make_policy(document=QUIET), by=None, now=NOW, reason="Meanwhile")

    with pytest.raises(seconding.Outdated):
        seconding.approve(policy=draft, by=two[1].pk, now=NOW)


def test_it_keeps_the_draft_after_a_no(two: tuple[User, User]) -> None:
    draft = make_policy(document=LOUD)
    propose(draft, two[0])

    seconding.decline(policy=draft, by=two[1].pk, now=NOW, note="Too many messages")

    draft.refresh_from_db()
    assert (draft.state, seconding.waiting(draft)) == ("draft", None)
    with pytest.raises(seconding.NothingWaits):
        seconding.approve(policy=draft, by=two[1].pk, now=NOW)


def test_it_waits_a_day_where_there_is_one_administrator_and_says_so() -> None:
    admin = make_admin()
    draft = make_policy(document=LOUD)
    proposal = propose(draft, admin)
    assert proposal.waits_until == NOW + DAY

    with pytest.raises(seconding.StillWaiting):
        seconding.end_wait(policy=draft, by=admin.pk, now=NOW + DAY - timedelta(seconds=1))
    seconding.end_wait(policy=draft, by=admin.pk, now=NOW + DAY)

    assert store.live().version == draft.version
    entry = AuditEntry.objects.get(action="policy.waited")
    assert entry.detail["note"] == "one_administrator"


def test_it_asks_the_second_administrator_who_came_meanwhile() -> None:
    admin = make_admin()
    draft = make_policy(document=LOUD)
    propose(draft, admin)
    other = make_admin()

    with pytest.raises(seconding.StillWaiting, match="another administrator by now"):
        seconding.end_wait(policy=draft, by=admin.pk, now=NOW + DAY)
    seconding.approve(policy=draft, by=other.pk, now=NOW + DAY)

    assert store.live().version == draft.version


def test_it_does_not_count_administrators_who_cannot_sign_in() -> None:
    admin = make_admin()
    User.objects.filter(pk=make_admin().pk).update(is_active=False)

    assert propose(make_policy(document=LOUD), admin).waits_until is not None


def test_it_listens_to_the_preview_where_the_documents_look_no_louder(two: tuple[User, User]) -> None:
    draft = make_policy(document=QUIET)

    proposal = propose(
        draft, two[0], more_alerts=lambda before, after: [Reason("preview", "3 rather than 2")]
    )

    assert proposal.needs == [["preview", "3 rather than 2"]]
    seconding.approve(policy=draft, by=two[1].pk, now=NOW)
    assert store.live().version == draft.version


def test_it_rolls_back_in_one_step_even_to_something_louder(two: tuple[User, User]) -> None:
    store.go_live(policy=make_policy(document=QUIET), by=two[0].pk, now=NOW, reason="Less")

    store.roll_back(to_version=1, by=two[0].pk, now=NOW, reason="Too quiet")

    assert store.document(store.live()) == Document()


READER = """
import django; django.setup()
from django.db import connection
from interventions.policy import store
connection.settings_dict["NAME"] = {name!r}
print(store.live().version, flush=True)
while True:
    input()
    print(store.live().version, flush=True)
"""


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_it_is_in_force_at_once_for_another_process() -> None:
    """A worker that has already decided under the old version decides its next one under the new."""
    store.live()
    worker = subprocess.Popen(
        [sys.executable, "-P", "-c", READER.format(name=connection.settings_dict["NAME"])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=BASE_DIR,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", "PYTHONPATH": str(BASE_DIR)},
    )
    assert worker.stdin is not None
    assert worker.stdout is not None
    try:
        assert worker.stdout.readline() == "1\n"

        store.go_live(policy=make_policy(document=QUIET), by=None, now=NOW, reason="Less")
        began = time.monotonic()
        worker.stdin.write("\n")
        worker.stdin.flush()

        assert worker.stdout.readline() == "2\n"
        assert time.monotonic() - began < 2
    finally:
        worker.kill()
        worker.wait()
        worker.stdin.close()
        worker.stdout.close()
