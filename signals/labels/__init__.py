"""Stage 9: what turned out to be true, by versioned definitions. Outcomes report here; models learn from here.

A label is recorded once, when its horizon has passed: a success noted early and a failure noted late would
make the quick look better than they are. Where the horizon cannot be watched to its end (the learner left,
withdrew or said no), the label is censored: its value is null.
"""

from signals.labels.by_itself import untreated
from signals.labels.definitions import (
    DEFINITIONS,
    RECOVERED_BELOW,
    ROSE_ABOVE,
    Definition,
    Kind,
    UnknownDefinition,
    definition_of,
)
from signals.labels.recorded import LabelTooEarly, record
from signals.labels.training import LabelRow, for_training

__all__ = [
    "DEFINITIONS",
    "RECOVERED_BELOW",
    "ROSE_ABOVE",
    "Definition",
    "Kind",
    "LabelRow",
    "LabelTooEarly",
    "UnknownDefinition",
    "definition_of",
    "for_training",
    "record",
    "untreated",
]
