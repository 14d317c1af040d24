"""Signing in and out, and the way to everybody's own page."""

import contextlib
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth import authenticate, login, logout
from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from redis.exceptions import RedisError

from coaching.views.pages import person
from consent.crypto import keyed_hash
from learners.models import Role

# Per name and address; and per name, so high that nobody can lock somebody else out by accident.
TRIES = (8, 60)
WAIT_MINUTES = 15
# First match wins: somebody with several roles starts where most waits for them.
HOMES = ((Role.COACH, "inbox"), (Role.MANAGER, "team"), (Role.LEARNER, "me"), (Role.ADMIN, "admin:index"))


class SignInForm(forms.Form):
    login = forms.CharField(max_length=254, strip=True)
    password = forms.CharField(max_length=1000, strip=False)
    next = forms.CharField(required=False, max_length=2000)


@login_not_required
@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """The form; with the right e-mail address and password, the page the person wanted."""
    if request.method != "POST":
        if request.user.is_authenticated:
            return redirect("home")
        return render(request, "sign_in.html", {"next": request.GET.get("next", "")})
    form = SignInForm(request.POST)
    wanted = request.POST.get("next", "")
    error, status = "Enter your e-mail address and your password.", 422
    if form.is_valid():
        counters = _counters(request, form.cleaned_data["login"])
        if _is_locked(counters):
            error = f"That was many tries. Wait {WAIT_MINUTES} minutes, or ask your administrator."
            status = 429
        else:
            user = authenticate(
                request, username=form.cleaned_data["login"], password=form.cleaned_data["password"]
            )
            if user is not None:
                login(request, user)
                _forget(counters)
                return redirect(wanted if _is_ours(request, wanted) else "home")
            _count(counters)
            error, status = "We could not sign you in. Check the address and the password.", 422
    context: dict[str, Any] = {"error": error, "login": request.POST.get("login", ""), "next": wanted}
    return render(request, "sign_in.html", context, status=status)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """Signs out, and back to the sign-in page."""
    logout(request)
    return redirect(settings.LOGOUT_REDIRECT_URL)


@never_cache
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Each person's own page, by role."""
    user = person(request)
    for role, name in HOMES:
        if user.has_role(role):
            return redirect(reverse(name))
    return render(request, "home.html")


def _is_ours(request: HttpRequest, address: str) -> bool:
    return url_has_allowed_host_and_scheme(
        address, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )


def _counters(request: HttpRequest, name: str) -> list[str]:
    """What tries are counted by: the name, and the address they come from. Hashes only."""
    address = request.META.get("REMOTE_ADDR", "")
    return [
        f"sign-in:{keyed_hash('sign-in', part).hex()}"
        for part in (f"{name.casefold()} from {address}", name.casefold())
    ]


# Without the cache people can still sign in: the brake is a comfort, the password is the lock.
def _is_locked(counters: list[str]) -> bool:
    with contextlib.suppress(RedisError, OSError):
        return any((cache.get(key) or 0) >= tries for key, tries in zip(counters, TRIES, strict=True))
    return False


def _count(counters: list[str]) -> None:
    with contextlib.suppress(RedisError, OSError):
        for key in counters:
            cache.add(key, 0, WAIT_MINUTES * 60)
            with contextlib.suppress(ValueError):  # expired between the two
                cache.incr(key)


def _forget(counters: list[str]) -> None:
    with contextlib.suppress(RedisError, OSError):
        cache.delete_many(counters)
