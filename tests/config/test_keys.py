"""Changing SECRET_KEY: what the former one signed stays good while it is named, and a weak one is refused."""

import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from config.env import BASE_DIR, DEVELOPMENT_SECRET_KEY
from config.keys import keys_of, weakness
from interventions import links
from interventions.links import LinkNotGood, Purpose
from tests.support.coaching import NOW

GOOD = "k7Qp2mZx9Lr4Tn8Vw3By6Hd1Js5Fc0Ga"


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", []),
        ("  \n", []),
        ("a", ["a"]),
        (" a , b\n", ["a", "b"]),
        ("a,,b", ["a", "", "b"]),
        ("a,", ["a", ""]),
    ],
)
def test_it_reads_keys_and_keeps_empty_places_to_be_refused(text: str, keys: list[str]) -> None:
    assert keys_of(text) == keys


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("", "empty"),
        ("short-but-Mixed-1", "weak"),
        ("ab" * 40, "weak"),
        (DEVELOPMENT_SECRET_KEY, "development key"),
        ("present-" + GOOD, "the present SECRET_KEY"),
        (GOOD, ""),
    ],
)
def test_it_says_what_is_wrong_with_a_key(key: str, says: str) -> None:
    fault = weakness(key, present="present-" + GOOD)

    assert (says in fault) if says else fault == ""


def test_a_link_of_a_former_key_works_until_that_is_taken_out(settings: Any) -> None:
    about = uuid4()
    token = links.make(Purpose.UNSUBSCRIBE, about=about, now=NOW)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new-" + GOOD, [settings.SECRET_KEY]

    assert links.read(Purpose.UNSUBSCRIBE, token, now=NOW).about == about

    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(LinkNotGood):
        links.read(Purpose.UNSUBSCRIBE, token, now=NOW)


def test_nothing_new_is_signed_by_a_former_key(settings: Any) -> None:
    former = settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new-" + GOOD, [former]
    token = links.make(Purpose.UNSUBSCRIBE, about=uuid4(), now=NOW)

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = former, []
    with pytest.raises(LinkNotGood):
        links.read(Purpose.UNSUBSCRIBE, token, now=NOW)


def production(**environ: str) -> subprocess.CompletedProcess[str]:
    """What a production process makes of this environment."""
    return subprocess.run(
        [sys.executable, "-c", "from config import settings; print(settings.SECRET_KEY_FALLBACKS)"],
        cwd=BASE_DIR,
        env={
            "REKINDLE_ENV": "production",
            "SECRET_KEY": "present-" + GOOD,
            "FIELD_KEYS": "x",
            "DATABASE_URL": "postgres://somebody@elsewhere/x",
            "REDIS_URL": "redis://elsewhere",
            "PYTHONPATH": str(BASE_DIR),
            **environ,
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_production_reads_them_from_a_file(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"{GOOD},older-{GOOD}\n")

    done = production(SECRET_KEY_FALLBACKS_FILE=str(keys))

    assert done.stdout.strip() == str([GOOD, "older-" + GOOD])


@pytest.mark.slow
@pytest.mark.parametrize("given", [f"{GOOD},", "too-short"])
def test_production_does_not_start_on_one_that_is_empty_or_weak(given: str) -> None:
    done = production(SECRET_KEY_FALLBACKS=given)

    assert done.returncode != 0
    assert "SECRET_KEY_FALLBACKS, key" in done.stderr
    assert "too-short" not in done.stderr
