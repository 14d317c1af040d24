"""How log lines look: readable in development, one JSON object a line in production."""

import json
import logging
from typing import Any


class JsonFormatter(logging.Formatter):
    """One line of JSON. Only what is named here leaves: a record's other attributes may hold anything."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configuration(*, as_json: bool) -> dict[str, Any]:
    """The LOGGING setting."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"},
            "json": {"()": "config.logging.JsonFormatter"},
        },
        "handlers": {
            "console": {"class": "logging.StreamHandler", "formatter": "json" if as_json else "line"},
        },
        "root": {"handlers": ["console"], "level": "INFO"},
        # Django's own console handler would say everything twice.
        "loggers": {"django": {"handlers": [], "propagate": True}},
    }
