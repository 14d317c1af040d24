"""What is done in our own lessons comes back as real statements: who, which competency, which course."""

import pytest

pytestmark = pytest.mark.django_db
