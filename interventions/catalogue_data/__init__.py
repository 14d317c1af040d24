"""The contents we ship: five micro-lessons and the messages, in English and German. Our own words.

They start a new installation (migration 0003) and are the installation's own from then on: edited in the
admin, never overwritten by an upgrade.
"""

import tomllib
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

LANGUAGES = ("en", "de")
_HERE = Path(__file__).parent


class Question(NamedTuple):
    text: str
    choices: list[str]
    answer: int
    because: str


class StarterText(NamedTuple):
    title: str
    body: str
    questions: list[Question]


class StarterLesson(NamedTuple):
    key: str
    minutes: int
    competency_key: str
    competency_name: str
    texts: dict[str, StarterText]  # by language


class StarterMessage(NamedTuple):
    key: str
    language: str
    subject: str
    body: str


@lru_cache(maxsize=1)
def lessons() -> tuple[StarterLesson, ...]:
    """The lessons we ship, by key."""
    found = []
    for path in sorted((_HERE / "lessons").glob("*.toml")):
        with path.open("rb") as file:
            data = tomllib.load(file)
        texts = {
            language: StarterText(
                title=data[language]["title"],
                body=data[language]["body"].strip(),
                questions=[Question(**question) for question in data[language]["questions"]],
            )
            for language in LANGUAGES
        }
        found.append(
            StarterLesson(
                key=data["key"],
                minutes=data["minutes"],
                competency_key=data["competency"]["key"],
                competency_name=data["competency"]["name"],
                texts=texts,
            )
        )
    return tuple(found)


@lru_cache(maxsize=1)
def messages() -> tuple[StarterMessage, ...]:
    """The messages we ship, by key and language."""
    with (_HERE / "messages.toml").open("rb") as file:
        data = tomllib.load(file)
    return tuple(
        StarterMessage(key=key, language=language, subject=text["subject"], body=text["body"])
        for key, languages in data.items()
        for language, text in languages.items()
    )
