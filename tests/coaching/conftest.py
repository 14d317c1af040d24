"""Who looks at whom in tests of pages."""

import pytest
from django.test import Client

from tests.support.coaching import Circle, make_circle


@pytest.fixture
def circle() -> Circle:
    """A learner of this name, with a manager and a coach."""
    return make_circle(name="Robin Fielding")


@pytest.fixture
def coach(client: Client, circle: Circle) -> Client:
    """The circle's coach, signed in."""
    client.force_login(circle.coach)
    return client
