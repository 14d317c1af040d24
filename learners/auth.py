"""Signing in by a name that is stored only encrypted and hashed."""

from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest

from learners.models import User


class HashedLoginBackend(BaseBackend):
    """Finds the user by the keyed hash of the sign-in name."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **_: Any
    ) -> User | None:
        if not username or password is None:
            return None
        try:
            user = User.objects.get_by_natural_key(username)
        except User.DoesNotExist:
            User().set_password(password)  # take as long as for somebody who exists
            return None
        return user if user.check_password(password) and user.is_active else None

    def get_user(self, user_id: Any) -> User | None:
        return User.objects.filter(pk=user_id, is_active=True).first()
