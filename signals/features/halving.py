"""Which definitions raise, found by leaving out half of them and half of that."""

from collections.abc import Callable

from signals.features.definitions import COMPUTED, Source

# What builds on others is suspected first: without those others it would not raise either.
SUSPECTS: tuple[str, ...] = (
    *(feature.key for feature in reversed(COMPUTED) if feature.source is Source.ENROLMENT),
    *(feature.key for feature in reversed(COMPUTED) if feature.source is not Source.ENROLMENT),
)

Fault = str | None  # what was raised; None where nothing was


def find_raising(raised_without: Callable[[frozenset[str]], Fault], *, raised: str) -> dict[str, str]:
    """The definitions without which the rest goes: {key: what was raised}. Empty where none of them is to blame.

    ``raised_without`` tries all but these definitions; ``raised`` is what all of them together raised. The tries grow
    with the number of those that raise and the logarithm of the number of all.
    """
    if raised_without(frozenset(SUSPECTS)) is not None:
        return {}

    def narrowed(suspects: tuple[str, ...], out: frozenset[str], raised: str) -> dict[str, str]:
        """Those of the suspects that raise; without all of them, and `out`, the rest goes."""
        if len(suspects) == 1:
            return {suspects[0]: raised}
        middle = len(suspects) // 2
        first, last = suspects[:middle], suspects[middle:]
        of_last = raised_without(out | set(first))
        if of_last is None:
            return narrowed(first, out, raised)
        of_first = raised_without(out | set(last))
        if of_first is None:
            return narrowed(last, out, raised)
        found = narrowed(first, out | set(last), of_first)
        return found | narrowed(last, out | set(found), of_last)

    return narrowed(SUSPECTS, frozenset(), raised)
