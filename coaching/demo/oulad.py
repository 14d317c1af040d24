"""Reads the tables of the Open University Learning Analytics Dataset, as Parquet or CSV.

The layout is that of the published files (``data/README.md`` names what differs). A table is found as
``<table>.parquet`` or ``<table>.csv`` in one directory. Days count from the start of a run; what is called
a presentation of a module there is one ``Run`` here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import duckdb

TABLES = {
    "courses": ("code_module", "code_presentation", "module_presentation_length"),
    "assessments": ("code_module", "code_presentation", "id_assessment", "assessment_type", "date", "weight"),
    "vle": ("id_site", "code_module", "code_presentation", "activity_type"),
    "studentInfo": ("code_module", "code_presentation", "id_student", "final_result"),
    "studentRegistration": (
        "code_module",
        "code_presentation",
        "id_student",
        "date_registration",
        "date_unregistration",
    ),
    "studentAssessment": ("id_assessment", "id_student", "date_submitted", "is_banked", "score"),
    "studentVle": ("code_module", "code_presentation", "id_student", "id_site", "date", "sum_click"),
}
# What some copies of the tables leave out; unknown then.
OPTIONAL = ("num_of_prev_attempts", "studied_credits", "gender", "disability", "age_band", "imd_band")
DECLARED = ("gender", "disability", "age_band", "deprivation_band")  # as the last four are called here
SUFFIXES = ("parquet", "csv")
START_MONTHS = {"B": 2, "J": 10}  # the letter of a presentation: February, October
ROWS_AT_ONCE = 20_000


class OuladFault(Exception):
    """The tables cannot be read as asked; the message says what is there and what to mend."""


class Run(NamedTuple):
    """One presentation of one module."""

    module: str
    presentation: str
    length_days: int

    @property
    def starts_on(self) -> date:
        """The day on which it began in life; every other day of it counts from here."""
        year, letter = int(self.presentation[:4]), self.presentation[4:]
        return date(year, START_MONTHS[letter], 1)


class Assessment(NamedTuple):
    id: int
    kind: str  # TMA, CMA or Exam
    due_day: int
    weight: float


class Person(NamedTuple):
    """One person's enrolment in a run."""

    id: int
    registered_day: int
    unregistered_day: int | None
    result: str  # Pass, Distinction, Fail or Withdrawn
    earlier_attempts: int | None = None
    study_load: float | None = None  # credits of everything the person studied at the time
    declared: Mapping[str, str] = {}  # gender, disability, age_band, deprivation_band, where they are told


class Clicks(NamedTuple):
    """One row of clicks; ``ordinal`` tells rows of one person, day and material apart."""

    day: int
    person: int
    site: int
    kind: str
    clicks: int
    ordinal: int


class Submission(NamedTuple):
    day: int
    person: int
    assessment: int
    score: float | None
    is_banked: bool


@dataclass(frozen=True)
class Oulad:
    """The tables in one directory. Build it with ``open_tables``."""

    directory: Path
    connection: "duckdb.DuckDBPyConnection"
    optional: frozenset[str] = frozenset()  # those of OPTIONAL that studentInfo has

    def runs(self) -> list[Run]:
        """Every run the tables hold."""
        rows = self._all(
            "SELECT code_module, code_presentation, CAST(module_presentation_length AS INTEGER)"
            " FROM courses ORDER BY 1, 2"
        )
        return [Run(*row) for row in rows]

    def select(self, *, presentations: Sequence[str], modules: Sequence[str] = ()) -> list[Run]:
        """The runs of these presentations (and modules, where named). Raises OuladFault on an unknown one."""
        runs = self.runs()
        for what, asked, known in (
            ("presentation", presentations, {run.presentation for run in runs}),
            ("module", modules, {run.module for run in runs}),
        ):
            for name in asked:
                if name not in known:
                    there = ", ".join(sorted(known)) or "none"
                    raise OuladFault(f"There is no {what} {name} in {self.directory}; it has: {there}.")
        chosen = [
            run
            for run in runs
            if run.presentation in presentations and (not modules or run.module in modules)
        ]
        if not chosen:
            there = ", ".join(f"{run.module} {run.presentation}" for run in runs)
            raise OuladFault(
                f"{', '.join(modules)} was not presented in {', '.join(presentations)}; there is: {there}."
            )
        for run in chosen:
            if run.presentation[4:] not in START_MONTHS or not run.presentation[:4].isdigit():
                raise OuladFault(f"{run.presentation} is no presentation: a year and B or J, such as 2013J.")
        return chosen

    def assessments(self, run: Run) -> list[Assessment]:
        """What the run's plan asks for; a missing day means its last one."""
        rows = self._all(
            "SELECT CAST(id_assessment AS INTEGER), assessment_type,"
            " coalesce(CAST(date AS INTEGER), ?), coalesce(CAST(weight AS DOUBLE), 0)"
            " FROM assessments WHERE code_module = ? AND code_presentation = ? ORDER BY 3, 1",
            [run.length_days, run.module, run.presentation],
        )
        return [Assessment(*row) for row in rows]

    def people(self, run: Run) -> list[Person]:
        """Everybody who registered. An unknown day of registration is taken as the start, or as the day of
        leaving where that is earlier; somebody withdrawn on an unknown day left on the last one."""
        rows = self._all(
            "SELECT CAST(i.id_student AS INTEGER),"
            " coalesce(CAST(r.date_registration AS INTEGER),"
            "          least(0, coalesce(CAST(r.date_unregistration AS INTEGER), 0))),"
            " CASE WHEN r.date_unregistration IS NOT NULL THEN CAST(r.date_unregistration AS INTEGER)"
            "      WHEN i.final_result = 'Withdrawn' THEN ? END,"
            " i.final_result,"
            f" CAST({self._optional('num_of_prev_attempts')} AS INTEGER),"
            f" CAST({self._optional('studied_credits')} AS DOUBLE),"
            f" {self._optional('gender')}, {self._optional('disability')},"
            f" {self._optional('age_band')}, {self._optional('imd_band')}"
            " FROM studentInfo i JOIN studentRegistration r"
            " USING (code_module, code_presentation, id_student)"
            " WHERE code_module = ? AND code_presentation = ? ORDER BY 1",
            [run.length_days, run.module, run.presentation],
        )
        return [
            Person(number, registered, left, result, attempts, load, _told(said))
            for number, registered, left, result, attempts, load, *said in rows
        ]

    def _optional(self, column: str) -> str:
        return f"i.{column}" if column in self.optional else "NULL"

    def clicks(self, run: Run, *, from_day: int | None = None, to_day: int | None = None) -> Iterator[Clicks]:
        """Rows of clicks by day, person and material; days inclusive."""
        where, days = self._between("v.date", from_day, to_day)
        # Rows that agree in everything but the clicks are told apart by their order, so that order is total.
        rows = self._stream(
            "SELECT CAST(v.date AS INTEGER), CAST(v.id_student AS INTEGER), CAST(v.id_site AS INTEGER),"
            " s.activity_type, CAST(v.sum_click AS INTEGER),"
            " CAST(row_number() OVER (PARTITION BY v.date, v.id_student, v.id_site"
            "                         ORDER BY CAST(v.sum_click AS INTEGER)) AS INTEGER)"
            " FROM studentVle v JOIN vle s USING (code_module, code_presentation, id_site)"
            f" WHERE v.code_module = ? AND v.code_presentation = ?{where}"
            " ORDER BY 1, 2, 3, 6",
            [run.module, run.presentation, *days],
        )
        return (Clicks(*row) for row in rows)

    def submissions(
        self, run: Run, *, from_day: int | None = None, to_day: int | None = None
    ) -> Iterator[Submission]:
        """Work handed in, by day and person; days inclusive. The mark carries the day it was handed in."""
        where, days = self._between("s.date_submitted", from_day, to_day)
        rows = self._stream(
            "SELECT CAST(s.date_submitted AS INTEGER), CAST(s.id_student AS INTEGER),"
            " CAST(s.id_assessment AS INTEGER), CAST(s.score AS DOUBLE), CAST(s.is_banked AS INTEGER) = 1"
            " FROM studentAssessment s JOIN assessments a ON a.id_assessment = s.id_assessment"
            f" WHERE a.code_module = ? AND a.code_presentation = ?{where}"
            " ORDER BY 1, 2, 3",
            [run.module, run.presentation, *days],
        )
        return (Submission(*row) for row in rows)

    def count_clicks(self, run: Run, *, to_day: int | None = None) -> int:
        """How many rows of clicks there are, for a progress bar."""
        where, days = self._between("date", None, to_day)
        rows = self._all(
            f"SELECT count(*) FROM studentVle WHERE code_module = ? AND code_presentation = ?{where}",
            [run.module, run.presentation, *days],
        )
        return int(rows[0][0])

    @staticmethod
    def _between(column: str, from_day: int | None, to_day: int | None) -> tuple[str, list[int]]:
        where, days = "", []
        if from_day is not None:
            where += f" AND CAST({column} AS INTEGER) >= ?"
            days.append(from_day)
        if to_day is not None:
            where += f" AND CAST({column} AS INTEGER) <= ?"
            days.append(to_day)
        return where, days

    def _all(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self.connection.execute(query, list(values)).fetchall()

    def _stream(self, query: str, values: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        # A cursor of its own: two streams of one directory are read side by side.
        cursor = self.connection.cursor()
        cursor.execute(query, list(values))
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            yield from rows


def _told(said: Sequence[str | None]) -> dict[str, str]:
    return {name: value for name, value in zip(DECLARED, said, strict=True) if value}


def open_tables(directory: Path) -> Oulad:
    """The tables in this directory, checked for their columns. Raises OuladFault naming what is missing."""
    import duckdb

    if not directory.is_dir():
        raise OuladFault(f"{directory} is no directory.")
    found = {
        table: path
        for table in TABLES
        for suffix in reversed(SUFFIXES)  # Parquet wins where both are there
        if (path := directory / f"{table}.{suffix}").is_file()
    }
    if not found:
        raise OuladFault(
            f"{directory} holds none of the Open University tables"
            f" ({', '.join(TABLES)}, each as .parquet or .csv)."
        )
    for table in TABLES:
        if table not in found:
            raise OuladFault(f"The table {table} is missing in {directory}: {table}.parquet or {table}.csv.")
    connection = duckdb.connect()
    optional: frozenset[str] = frozenset()
    for table, path in found.items():
        # Values are bound nowhere in DDL; a path may hold an apostrophe.
        name = str(path).replace("'", "''")
        source = (
            f"read_parquet('{name}')"
            if path.suffix == ".parquet"
            else f"read_csv('{name}', header = true, all_varchar = true, nullstr = ['', '?'])"
        )
        try:
            connection.execute(f"CREATE VIEW {table} AS SELECT * FROM {source}")
            columns = {row[0] for row in connection.execute(f"DESCRIBE {table}").fetchall()}
        except duckdb.Error as fault:
            raise OuladFault(f"{path} cannot be read: {str(fault).splitlines()[0]}") from fault
        missing = [column for column in TABLES[table] if column not in columns]
        if missing:
            raise OuladFault(f"{path} lacks the column {', '.join(missing)}.")
        if table == "studentInfo":
            optional = frozenset(columns).intersection(OPTIONAL)
    return Oulad(directory, connection, optional)
