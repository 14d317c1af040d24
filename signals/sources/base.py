"""What a source is: one small class that turns what it gets into facts. Adding one: docs/sources.md.

A fact is a statement without an id, the row it came from, and its natural key: what makes it the same fact when it
comes again. Everything else (identity, ids, corrections, lineage, preview) is signals.sources.importing's.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from datetime import datetime

    from signals.models import Feed

LARGEST_FILE = 50 * 1024 * 1024
MOST_ROWS = 1_000_000


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing a source says about one person."""

    line: int
    key: tuple[str, ...]
    statement: dict[str, Any]  # valid but for the id; its timestamp must not depend on when it is read
    note: str = ""  # what whoever imports it should know, though it is taken in


@dataclass(frozen=True, slots=True)
class Problem:
    """A row that cannot be taken, and what to do about it. Quotes no personal value: terminals keep what they show."""

    line: int
    fault: str
    mend: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.fault}. {self.mend}"


class Unusable(Exception):
    """This row cannot be taken; raised while making a fact of it."""

    def __init__(self, fault: str, mend: str) -> None:
        super().__init__(fault)
        self.fault, self.mend = fault, mend


class FileRefused(Exception):
    """Nothing of this can be read."""

    def __init__(self, fault: str, mend: str, *, missing_columns: list[str] | None = None) -> None:
        super().__init__(f"{fault}. {mend}")
        self.fault, self.mend = fault, mend
        self.missing_columns = missing_columns or []


class PullFailed(Exception):
    """The site could not be read; the message says why and what to do, and holds no token."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a source got, and how it is to be read."""

    content: bytes
    file_name: str = ""
    options: Mapping[str, str] = field(default_factory=dict)  # --set name=value
    feed: "Feed | None" = None
    more_columns: tuple[str, ...] = ()  # asked for by a data contract


class Source:
    """A kind of source. Subclass, say how a file is read, and list it in signals.sources.SOURCES."""

    name: ClassVar[str]
    label: ClassVar[str]  # for people
    takes_files: ClassVar[bool] = True
    is_pulled: ClassVar[bool] = False
    options: ClassVar[Mapping[str, str]] = {}  # name → what it is for

    def read(self, delivered: Delivered) -> Iterator[Fact | Problem]:
        """The facts of a file, in its order. Raises FileRefused."""
        raise NotImplementedError

    def pull(self, feed: "Feed", *, now: "datetime", everything: bool) -> Iterator[Fact | Problem]:
        """The facts that are new since the feed's watermark (or all of them); moves the watermark in memory."""
        raise NotImplementedError
