"""How strongly a yes-or-no about people goes with what they declared of themselves."""

from collections import Counter
from collections.abc import Mapping
from math import sqrt
from typing import NamedTuple

from learners.declared import attributes
from learners.models import DeclaredAttribute

SMALLEST = 30  # people, all groups together; below it nothing can be said
SMALLEST_GROUP = 5


class Association(NamedTuple):
    """One attribute: Cramér's V (0 goes with nothing, 1 is decided by it), and of how many people."""

    attribute: str
    name: str
    strength: float
    people: int


def associations(yes: Mapping[int, bool]) -> list[Association]:
    """Per declared attribute, of the enrolments asked about; groups under five people are left out. Two queries.

    Corrected for small numbers (Bergsma 2013), so that few people do not look like a strong association by chance.
    """
    declared = attributes(yes)
    names = {str(value): str(label) for value, label in DeclaredAttribute.Name.choices}
    found = []
    for attribute, name in names.items():
        counted = Counter(
            (said[attribute], yes[enrolment])
            for enrolment, said in declared.items()
            if attribute in said and enrolment in yes
        )
        groups = Counter[str]()
        for (group, _), count in counted.items():
            groups[group] += count
        large = {group for group, count in groups.items() if count >= SMALLEST_GROUP}
        people = sum(groups[group] for group in large)
        if len(large) >= 2 and people >= SMALLEST:
            strength = _strength({pair: n for pair, n in counted.items() if pair[0] in large}, people)
            found.append(Association(attribute, name, strength, people))
    return found


def _strength(counted: Mapping[tuple[str, bool], int], people: int) -> float:
    groups, answers = Counter[str](), Counter[bool]()
    for (group, answer), count in counted.items():
        groups[group] += count
        answers[answer] += count
    if len(answers) < 2:
        return 0.0
    chi2 = 0.0
    for group, of_group in groups.items():
        for answer, of_answer in answers.items():
            expected = of_group * of_answer / people
            chi2 += (counted.get((group, answer), 0) - expected) ** 2 / expected
    rows, columns = len(groups), 2
    phi2 = max(chi2 / people - (columns - 1) * (rows - 1) / (people - 1), 0.0)
    rows_corrected = rows - (rows - 1) ** 2 / (people - 1)
    columns_corrected = columns - (columns - 1) ** 2 / (people - 1)
    return sqrt(phi2 / (min(rows_corrected, columns_corrected) - 1))
