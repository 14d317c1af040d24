"""A wrong key ring is noticed before it does harm, and everything can move to a new key."""

from io import StringIO

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from consent import keys, registry
from consent.crypto import encrypt, ring
from consent.models import AuditEntry, KeyCheck
from learners.models import Learner
from tests.support.consent import (
    BOTH_RING,
    INDEX_ENTRY,
    NEW_ENTRY,
    NEW_RING,
    OLD_ENTRY,
    OLD_RING,
    privacy_module,
)

pytestmark = pytest.mark.django_db


def fingerprints_of(learner: Learner) -> set[bytes]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, email FROM learners_learner WHERE id = %s", [learner.pk])
        return {bytes(token)[1:5] for token in cursor.fetchone()}


def test_it_finds_no_fault_with_the_ring_that_wrote_the_database() -> None:
    assert KeyCheck.objects.count() == 2, "migrating notes the keys"
    assert keys.ring_faults() == []


def test_it_says_in_one_sentence_which_key_is_missing(settings: Settings) -> None:
    settings.FIELD_KEYS = NEW_RING

    (fault,) = keys.ring_faults()

    assert "FIELD_KEYS lacks the key named 'dev1' with fingerprint" in fault


def test_it_notices_another_index_key(settings: Settings) -> None:
    settings.FIELD_KEYS = f"index:{NEW_ENTRY.partition(':')[2]},{OLD_ENTRY}"

    (fault,) = keys.ring_faults()

    assert "The key named index" in fault


def test_it_notices_an_altered_probe() -> None:
    check = KeyCheck.objects.exclude(name="index").get()
    probe = bytes(check.probe)
    KeyCheck.objects.filter(pk=check.pk).update(probe=probe[:-1] + bytes([probe[-1] ^ 1]))

    (fault,) = keys.ring_faults()

    assert "altered" in fault


def test_it_stops_commands_by_a_system_check(settings: Settings) -> None:
    settings.FIELD_KEYS = NEW_RING

    messages = run_checks(databases=["default"])

    assert [message.id for message in messages if message.id == "consent.E001"]


def test_it_does_not_note_the_keys_of_a_ring_that_cannot_read(settings: Settings) -> None:
    settings.FIELD_KEYS = NEW_RING

    call_command("migrate", skip_checks=True, verbosity=0)

    assert sorted(KeyCheck.objects.values_list("key_name", flat=True)) == ["dev1", "index"]


def test_it_moves_everything_to_the_newest_key(settings: Settings) -> None:
    learners = [
        Learner.objects.create(name=f"Name {number}", email=f"{number}@example.org") for number in range(5)
    ]
    settings.FIELD_KEYS = BOTH_RING

    keys.rotate(batch_size=2)

    settings.FIELD_KEYS = NEW_RING
    assert {mark for learner in learners for mark in fingerprints_of(learner)} == {ring().primary}
    assert Learner.objects.get(pk=learners[3].pk).name == "Name 3"
    assert keys.ring_faults() == [], "the old key may leave the ring"


def test_it_touches_nothing_the_second_time(settings: Settings) -> None:
    Learner.objects.create(name="Name")
    settings.FIELD_KEYS = BOTH_RING

    assert keys.rotate() > 0
    assert keys.rotate() == 0


def test_it_goes_on_where_it_was_stopped(settings: Settings) -> None:
    learners = [Learner.objects.create(name=f"Name {number}") for number in range(4)]
    settings.FIELD_KEYS = BOTH_RING

    def stop(rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keys.rotate(batch_size=1, progress=stop)

    settings.FIELD_KEYS = NEW_RING
    assert keys.ring_faults(), "the old key is still needed"
    settings.FIELD_KEYS = BOTH_RING
    keys.rotate()
    assert {mark for learner in learners for mark in fingerprints_of(learner)} == {ring().primary}


def test_it_lets_an_app_turn_what_it_keeps_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def rotate(batch_size: int) -> int:
        asked.append(batch_size)
        return 7

    monkeypatch.setattr(keys, "privacy_modules", lambda: (("signals", privacy_module(rotate=rotate)),))

    assert keys.rotate(batch_size=10) == 7
    assert asked == [10]


def test_it_says_which_key_everything_is_on(settings: Settings) -> None:
    Learner.objects.create(name="Name")
    settings.FIELD_KEYS = BOTH_RING
    out = StringIO()

    call_command("rotate_keys", stdout=out)

    assert "on the key 'new'" in out.getvalue()
    assert AuditEntry.objects.filter(action="keys.rotated").count() == 1


@pytest.mark.parametrize("size", ["0", "-5"])
def test_it_never_says_that_all_is_rotated_when_it_looked_at_nothing(settings: Settings, size: str) -> None:
    Learner.objects.create(name="Name")
    settings.FIELD_KEYS = BOTH_RING

    with pytest.raises(CommandError, match="above 0"):
        call_command("rotate_keys", f"--batch-size={size}")


def test_it_refuses_to_rotate_with_a_ring_that_cannot_read(settings: Settings) -> None:
    settings.FIELD_KEYS = NEW_RING

    with pytest.raises(CommandError, match="lacks the key named 'dev1'"):
        call_command("rotate_keys")


def test_it_names_a_key_that_was_never_noted(settings: Settings) -> None:
    settings.FIELD_KEYS = f"{INDEX_ENTRY},stray:{'A' * 43}=,{OLD_ENTRY}"
    settings.FIELD_KEYS = f"{INDEX_ENTRY},stray:{'A' * 43}="
    stray = encrypt(b"Name")
    settings.FIELD_KEYS = OLD_RING
    learner = Learner.objects.create(name="Name")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE learners_learner SET name = %s WHERE id = %s", [stray, learner.pk])

    with pytest.raises(CommandError, match=f"fingerprint {stray[1:5].hex()}"):
        call_command("rotate_keys")


def test_it_finds_the_apps_from_the_top_down() -> None:
    labels = [label for label, _ in registry.privacy_modules()]

    assert labels == [label for label in registry.ORDER if label in labels]
    assert labels[-1] == "consent"
