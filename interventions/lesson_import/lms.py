"""Lessons that wait in a learning system: their titles and deep links. What people do there comes back by its own xAPI.

Another system follows by a class with ``read`` and an entry in ``SYSTEMS``.
"""

from collections.abc import Iterator, Mapping
from typing import Protocol

from interventions.lesson_import import moodle
from interventions.lesson_import.proposed import Proposed, Refused
from interventions.models import Lesson
from signals.models import Feed


class System(Protocol):
    """A kind of learning system."""

    origin: Lesson.Origin

    def read(
        self, feed: Feed, course: int, *, language: str, competency: str | None, minutes: int | None
    ) -> Iterator[Proposed | Refused]:
        """What a course there offers. Raises NotReadable."""


SYSTEMS: Mapping[str, System] = {"moodle": moodle.MoodleLessons()}
