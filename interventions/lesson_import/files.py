"""A file of lessons, whichever kind it is."""

from collections.abc import Iterable

from interventions.lesson_import import cartridge, csv_file
from interventions.lesson_import.proposed import Proposed, Refused
from interventions.models import Lesson


def read(
    name: str, content: bytes, *, language: str, competency: str | None, minutes: int | None
) -> tuple[Lesson.Origin, Iterable[Proposed | Refused]]:
    """Where its lessons come from, and its rows: a Common Cartridge is a zip file, all else is taken for CSV.

    Reading raises NotReadable.
    """
    if name.lower().endswith((".imscc", ".zip")) or content[:4] == b"PK\x03\x04":
        rows = cartridge.read(content, language=language, competency=competency, minutes=minutes)
        return Lesson.Origin.CARTRIDGE, rows
    return Lesson.Origin.CSV, csv_file.read(content)
