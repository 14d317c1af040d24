"""Sources that come as a table: CSV as spreadsheets and other systems export it."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar, NamedTuple

from signals.sources.base import (
    LARGEST_FILE,
    MOST_ROWS,
    Delivered,
    Fact,
    FileRefused,
    Problem,
    Source,
    Unusable,
)

Row = Mapping[str, str]


class Line(NamedTuple):
    """A row of the file and where it begins."""

    number: int
    cells: list[str]


class TableSource(Source):
    """A table with a header. Subclasses name the columns and make a fact of a row."""

    required: ClassVar[tuple[str, ...]]
    optional: ClassVar[tuple[str, ...]] = ()
    also_called: ClassVar[Mapping[str, str]] = {}  # another name of a column → ours

    def fact(self, row: Row, line: int, delivered: Delivered) -> Fact:
        """What this row says; absent optional columns are empty. Raises Unusable."""
        raise NotImplementedError

    def read(self, delivered: Delivered) -> Iterator[Fact | Problem]:
        lines = lines_of(delivered.content, self.is_header)
        header = self._header(lines, delivered)
        for line in lines:
            if not any(line.cells):
                continue
            if len(line.cells) != len(header):
                yield Problem(
                    line.number,
                    f"has {len(line.cells)} cells where the header has {len(header)}",
                    "Put texts with the separator in them into quotation marks.",
                )
                continue
            row = {
                **dict.fromkeys((*self.required, *self.optional), ""),
                **dict(zip(header, line.cells, strict=True)),
            }
            try:
                yield self.fact(row, line.number, delivered)
            except Unusable as unusable:
                yield Problem(line.number, unusable.fault, unusable.mend)

    def _header(self, lines: Iterator[Line], delivered: Delivered) -> list[str]:
        first = next((line for line in lines if any(line.cells)), None)
        header = [self.column(name) for name in first.cells] if first else []
        missing = [name for name in (*self.required, *delivered.more_columns) if name not in header]
        if missing:
            raise FileRefused(
                f"The file lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}",
                f"Its first line must name the columns {', '.join(self.required)}"
                + (f"; it may have {', '.join(self.optional)}." if self.optional else "."),
                missing_columns=missing,
            )
        twice = sorted({name for name in header if name and header.count(name) > 1})
        if twice:
            raise FileRefused(f"The file has the column {twice[0]} twice", "Remove or rename one of them.")
        return header

    def is_header(self, cells: list[str]) -> bool:
        """Whether these are the names of the columns that no file may lack."""
        return {self.column(name) for name in cells}.issuperset(self.required)

    def column(self, name: str) -> str:
        """A column by our name for it."""
        plain = "_".join(name.casefold().replace("(", " ").replace(")", " ").replace("-", " ").split())
        return self.also_called.get(plain, plain)


def lines_of(content: bytes, is_header: Callable[[list[str]], bool]) -> Iterator[Line]:
    """The rows of a CSV file, cells stripped: commas, semicolons or tabs; UTF-8 or UTF-16.

    Raises FileRefused before the first row, so that a file which cannot be read whole changes nothing.
    """
    if len(content) > LARGEST_FILE:
        raise FileRefused(f"The file is larger than {LARGEST_FILE >> 20} MiB", "Split it into several.")
    text = _text(content)
    separator = _separator(text, is_header)
    for _ in _lines(text, separator):
        pass
    return _lines(text, separator)


def _separator(text: str, is_header: Callable[[list[str]], bool]) -> str:
    """The sign by which a line of the first ones is the header; texts below it may hold more of another."""
    first = text.splitlines()[:50]
    for sign in ",;\t":
        if any(sign in line and is_header(_cells(line, sign)) for line in first):
            return sign
    # As many of it as in the line that has most: exports put titles above their tables.
    return max(",;\t", key=lambda sign: max((line.count(sign) for line in first), default=0))


def _cells(line: str, separator: str) -> list[str]:
    return [cell.strip().strip('"').strip() for cell in line.split(separator)]


def _lines(text: str, separator: str) -> Iterator[Line]:
    parts: list[str] = []  # the lines of the row being read

    def noted() -> Iterator[str]:
        for part in io.StringIO(text, newline=""):
            parts.append(part)
            yield part

    reader = csv.reader(noted(), delimiter=separator)
    number, last = 1, Line(1, [])
    try:
        for count, cells in enumerate(reader):
            if count > MOST_ROWS:
                raise FileRefused(f"The file has more than {MOST_ROWS:,} rows", "Split it into several.")
            last = Line(number, parts.copy())
            parts.clear()
            yield Line(number, [cell.strip() for cell in cells])
            number = reader.line_num + 1
    except csv.Error as error:
        raise FileRefused(
            f"Line {number} cannot be read as CSV ({error})", "Save the file as CSV again."
        ) from error
    try:
        list(csv.reader(last.cells, delimiter=separator, strict=True))
    except csv.Error as error:
        if "end of data" in str(error):  # all rows below it would be part of one cell
            raise FileRefused(
                f"Line {last.number} has a quotation mark that is never closed",
                "Close it, or write it twice where it is part of the text.",
            ) from error


def _text(content: bytes) -> str:
    is_wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        return content.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileRefused("The file is not UTF-8", "Save it as CSV in UTF-8.") from error
