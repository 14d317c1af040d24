"""Work on all enrolments in parts that know nothing of each other: on one worker or on many, in any order."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Shard(NamedTuple):
    """The enrolments whose number leaves this remainder. They all go to one shard, and every one to some."""

    number: int
    of: int

    def __contains__(self, enrolment_id: object) -> bool:
        return isinstance(enrolment_id, int) and enrolment_id % self.of == self.number

    def condition(self, column: str = "enrolment_id") -> str:
        """The same in SQL, for any engine. A function: drivers read a percent sign as the start of a parameter."""
        return f"mod({column}, {self.of:d}) = {self.number:d}"


class NoSuchShard(ValueError):
    """A worker was given a place among fewer workers than that."""


def share_of(worker: int, workers: int, *, shards: int) -> Iterator[Shard]:
    """The shards that this worker (from 0) of so many does. Which worker does one changes nothing about its result."""
    if not 0 <= worker < workers or shards < 1:
        raise NoSuchShard(
            f"There is no worker {worker} among {workers}, or nothing to share out ({shards} shards)."
        )
    yield from (Shard(number, shards) for number in range(worker, shards, workers))


def split(enrolment_ids: Sequence[int], *, shards: int) -> list[list[int]]:
    """The enrolments of each shard."""
    parts: list[list[int]] = [[] for _ in range(shards)]
    for enrolment_id in enrolment_ids:
        parts[enrolment_id % shards].append(enrolment_id)
    return parts
