"""Fuzzes what reads strangers' bytes: the statement validator, the multipart splitter and the parameters.

    pip install atheris && python -m tests.bench.fuzz --seconds 120

atheris (libFuzzer) mutates valid statements, guided by coverage. A statement may be refused, with a path and a mend for
each fault; anything raised is a crash and ends the run with the input that caused it. Whatever is accepted must be
stored and compared without raising, and must say the same as itself.
"""

import argparse
import json
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import atheris

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
with atheris.instrument_imports(include=["signals", "learners.identity"]):
    import django

    django.setup()
    from signals.reading import read
    from signals.xapi import attachments
    from signals.xapi.sameness import says_the_same
    from signals.xapi.wire import BadRequest

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SEEDS = [
    {"actor": {"mbox": "mailto:a@example.com"}, "verb": {"id": "urn:v"}, "object": {"id": "urn:o"}},
    {
        "id": "7ca1ab1e-0000-4000-8000-000000000000",
        "actor": {"objectType": "Group", "member": [{"account": {"homePage": "urn:h", "name": "n"}}]},
        "verb": {"id": "http://adlnet.gov/expapi/verbs/voided", "display": {"en-GB": "voided"}},
        "object": {"objectType": "StatementRef", "id": "7ca1ab1e-0000-4000-8000-000000000001"},
        "timestamp": "2026-02-01T10:00:00.123+01:00",
    },
    {
        "actor": {"openid": "https://id.example.com/a"},
        "verb": {"id": "urn:v"},
        "object": {
            "objectType": "SubStatement",
            "actor": {"mbox_sha1sum": "a" * 40},
            "verb": {"id": "urn:v"},
            "object": {
                "id": "urn:o",
                "definition": {
                    "type": "http://adlnet.gov/expapi/activities/cmi.interaction",
                    "interactionType": "choice",
                    "choices": [{"id": "a", "description": {"en": "A"}}],
                    "correctResponsesPattern": ["a"],
                },
            },
        },
        "result": {
            "score": {"scaled": 0.5, "raw": 1, "min": 0, "max": 2},
            "duration": "PT1H0.5S",
            "success": True,
        },
        "context": {
            "registration": "7ca1ab1e-0000-4000-8000-000000000002",
            "contextActivities": {"parent": [{"id": "urn:p"}], "category": {"id": "urn:c"}},
            "contextAgents": [{"objectType": "contextAgent", "agent": {"mbox": "mailto:b@example.com"}}],
            "language": "de-CH-1996",
        },
        "attachments": [
            {
                "usageType": "http://adlnet.gov/expapi/attachments/signature",
                "display": {"en": "s"},
                "contentType": "application/octet-stream",
                "length": 1,
                "sha2": "a" * 64,
                "fileUrl": "urn:f",
            }
        ],
    },
]
MULTIPART = b"--e\r\nContent-Type: application/json\r\n\r\n{}\r\n--e\r\nX-Experience-API-Hash: aa\r\n\r\nx\r\n--e--\r\n"


def one(data: bytes) -> None:
    """Reads these bytes in every way in which a stranger's bytes are read."""
    reading, faults = read(data, 0, now=NOW)
    if reading is None:
        assert faults
        assert all(fault.path and fault.fault and fault.mend for fault in faults)
    else:
        reading.keys()
        assert says_the_same(reading.statement, json.loads(data))
    try:
        attachments.unpack(data, "multipart/mixed; boundary=e")
    except BadRequest as error:
        assert error.mend


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=120)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate([*(json.dumps(seed).encode() for seed in SEEDS), MULTIPART]):
            (Path(corpus) / str(number)).write_bytes(seed)
        atheris.Setup(
            [sys.argv[0], f"-max_total_time={options.seconds}", "-max_len=4096", "-timeout=5", corpus], one
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()
