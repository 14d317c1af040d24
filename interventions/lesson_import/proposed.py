"""What a file or a learning system proposes: one text of one lesson, or why a row cannot be one."""

from datetime import date
from typing import NamedTuple

from interventions.authoring import Content

LARGEST_FILE = 5 * 1024 * 1024
MOST_ROWS = 2000


class Refused(NamedTuple):
    """A row that cannot come in, where it stands, and how to mend it."""

    place: str
    fault: str
    mend: str

    def __str__(self) -> str:
        return f"{self.place}: {self.fault}. {self.mend}"


class Proposed(NamedTuple):
    """One text of one lesson. What is None is not said, and stays as it is."""

    place: str
    key: str
    language: str
    content: Content
    competency: str | None = None
    minutes: int | None = None
    owner: str | None = None  # what they sign in with
    expires_on: date | None = None
    lms_course: int | None = (
        None  # the number of the course it is part of, where it is the learning system's own
    )


class NotReadable(Exception):
    """The whole file or answer cannot be used; the message says what to mend."""
