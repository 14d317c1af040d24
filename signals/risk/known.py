"""What scoring is handed: one enrolment at one moment, with its features."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one enrolment at one moment."""

    enrolment_id: int
    features: Mapping[str, Any]
    course: str
    as_of: datetime
    known_seq: int
