"""When each stage runs, in the order of the data's path. The beat makes certain what a nudge makes prompt."""

from typing import Any

BEAT_SCHEDULE: dict[str, dict[str, Any]] = {}
