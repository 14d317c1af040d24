"""Lessons from a CSV file: a row is one lesson in one language (columns: docs/catalogue.md)."""

import hashlib
from collections.abc import Iterator
from datetime import date
from typing import Any

from interventions import catalogue
from interventions.authoring import MOST_QUESTIONS, Content
from interventions.lesson_import.proposed import LARGEST_FILE, MOST_ROWS, NotReadable, Proposed, Refused
from signals.sources.base import FileRefused
from signals.sources.tables import lines_of

REQUIRED = ("key", "language", "title", "text")
OPTIONAL = ("format", "address", "competency", "minutes", "owner", "expires_on")
WRONG = "abc"
OF_A_QUESTION = ("question_{0}", "right_{0}", *(f"wrong_{{0}}{letter}" for letter in WRONG), "because_{0}")
COLUMNS = (
    *REQUIRED,
    *OPTIONAL,
    *(name.format(number) for number in range(1, MOST_QUESTIONS + 1) for name in OF_A_QUESTION),
)


def read(content: bytes) -> Iterator[Proposed | Refused]:
    """The rows of a file. Raises NotReadable."""
    if len(content) > LARGEST_FILE:
        raise NotReadable(f"The file is larger than {LARGEST_FILE >> 20} MiB. Split it into several.")
    try:
        yield from _rows(content)
    except FileRefused as refused:
        raise NotReadable(str(refused)) from refused


def _rows(content: bytes) -> Iterator[Proposed | Refused]:
    lines = lines_of(content, lambda cells: {_column(cell) for cell in cells}.issuperset(REQUIRED))
    # As a spreadsheet counts them: a text of several lines is one row.
    rows = enumerate((line.cells for line in lines), start=1)
    header = next(([_column(name) for name in cells] for _, cells in rows if any(cells)), [])
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        raise NotReadable(f"The file lacks the columns {', '.join(missing)}; its first line must name them.")
    if twice := sorted({name for name in header if name and header.count(name) > 1}):
        raise NotReadable(f"The file has the column {twice[0]} twice. Remove or rename one of them.")
    if strange := [name for name in header if name and name not in COLUMNS]:
        raise NotReadable(f"There is no column {strange[0]:.60}; the columns are {', '.join(COLUMNS)}.")
    for number, cells in rows:
        if number > MOST_ROWS + 1:
            raise NotReadable(f"The file has more than {MOST_ROWS:,} rows. Split it into several.")
        if not any(cells):
            continue
        place = f"row {number}"
        if len(cells) != len(header):
            yield Refused(
                place,
                f"it has {len(cells)} cells where the header has {len(header)}",
                "Put texts with the separator in them into quotation marks.",
            )
            continue
        yield _row(place, dict(zip(header, cells, strict=True)))


def _row(place: str, cells: dict[str, str]) -> Proposed | Refused:
    minutes, expires_on = cells.get("minutes", ""), cells.get("expires_on", "")
    if minutes and not (minutes.isascii() and minutes.isdigit() and len(minutes) < 6):
        return Refused(place, f"minutes is {minutes!r:.30}", "Write a whole number.")
    try:
        day = date.fromisoformat(expires_on) if expires_on else None
    except ValueError:
        return Refused(place, f"expires_on is {expires_on!r:.30}", "Write the day as 2027-03-31.")
    key = cells["key"].lower()
    address = cells.get("address", "")
    return Proposed(
        place=place,
        key=key,
        language=cells["language"].lower(),
        content=Content(
            format=cells.get("format", "").lower() or ("link" if address else "text"),
            title=cells["title"],
            body=cells["text"].replace("\r\n", "\n"),
            address=address,
            questions=list(_questions(key, cells)),
        ),
        competency=cells.get("competency") or None,
        minutes=int(minutes) if minutes else None,
        owner=cells.get("owner") or None,
        expires_on=day,
    )


def _questions(key: str, cells: dict[str, str]) -> Iterator[dict[str, Any]]:
    for number in range(1, MOST_QUESTIONS + 1):
        text, right, *wrong, because = (cells.get(name.format(number), "") for name in OF_A_QUESTION)
        if not any((text, right, *wrong, because)):
            continue
        # The right answer has a place of its own, the same in every language and every time the file comes.
        place = hashlib.sha256(f"{key}:{number}".encode()).digest()[0] % catalogue.CHOICES
        choices = [*wrong[:place], right, *wrong[place:]]
        yield {"text": text, "choices": choices, "answer": place, "because": because}


def _column(name: str) -> str:
    return "_".join(name.casefold().replace("-", " ").split())
