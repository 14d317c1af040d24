"""The environment variables Rekindle reads. Each also has a ``_FILE`` form for secrets kept in files."""

from pathlib import Path

import environ

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"

env = environ.FileAwareEnv()

PRODUCTION = "production"
DEVELOPMENT = "development"

ENVIRONMENT = env.str("REKINDLE_ENV", default=DEVELOPMENT)

# Fine on a laptop, refused in production: anybody can read them here.
DEVELOPMENT_SECRET_KEY = "development-only-" + "0" * 40
DEVELOPMENT_FIELD_KEYS = (
    "index:ZGV2ZWxvcG1lbnQtb25seS1pbmRleC1rZXktMDAwMDA=,dev1:ZGV2ZWxvcG1lbnQtb25seS1maWVsZC1rZXktMDAwMDE="
)
