"""Bearer tokens of OAuth 2.0 and OpenID Connect: signed by an issuer we trust, for a client bound to a credential.

Checked as RFC 9068 and RFC 8725 ask: asymmetric algorithms only, signature, issuer, audience, lifetime. Keys are
fetched from where the trust says and nowhere else: a token cannot name the place.
"""

import copy
import threading
import time
from typing import Any
from urllib.parse import urlsplit

import jwt
import msgspec
from django.conf import settings

from signals.models import Credential, IssuerTrust
from signals.xapi.credentials import NotRecognised
from signals.xapi.rate import NotNow

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
LEEWAY_S = 30  # between two clocks
LONGEST = 16_384
CLIENT_CLAIMS = ("azp", "client_id", "appid", "cid")

# The scopes that xAPI 1.0.3 (Communication 4.2) gives names to, and what they permit here.
STANDARD_GRANTS: dict[str, list[str]] = {
    "statements/write": ["write"],
    "statements/read/mine": ["read/mine"],
    "statements/read": ["read"],
    "state": ["state"],
    "define": ["define"],
    "profile": ["profile"],
    "all/read": ["read"],
    "all": ["all"],
}

KEYS_KEPT_S = 600.0
ASK_AGAIN_S = 30.0  # at the soonest, whatever tokens say
PATIENCE_S = 5.0
LARGEST = 1_000_000

_keys: dict[
    str, tuple[float, float, dict[str, jwt.PyJWK]]
] = {}  # address → (fresh until, ask again at, keys by id)
_lock = threading.Lock()


def credential_of(token: str) -> Credential:
    """The credential a token stands for, permitting what both allow. Raises NotRecognised, or NotNow."""
    if len(token) > LONGEST:
        raise NotRecognised("is longer than any token we take")
    trust = _trust_named(token)
    try:
        key = _key(trust, jwt.get_unverified_header(token).get("kid"))
        claims = jwt.decode(
            token,
            key,
            algorithms=list(ALGORITHMS),
            issuer=trust.issuer,
            audience=trust.audience,
            leeway=LEEWAY_S,
            options={"require": ["exp", "iss", "aud"]},
        )
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise NotRecognised(f"carries a token that is not good: {type(error).__name__}") from error
    granted = _granted(claims.get(trust.claim), trust.grants or STANDARD_GRANTS)
    credential = copy.copy(trust.credential)
    # What the token grants, as far as the credential itself goes.
    held = credential.held()
    everything = set(Credential.EVERYTHING) if "all" in granted else set()
    credential.permissions = sorted((granted | everything) & held - {"all"})
    return credential


def _trust_named(token: str) -> IssuerTrust:
    """The trust for the issuer and client that the (still unproven) token names."""
    try:
        said = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise NotRecognised("carries no readable token") from error
    clients = [said[name] for name in CLIENT_CLAIMS if isinstance(said.get(name), str)]
    issuer = said.get("iss")
    trust = (
        IssuerTrust.objects.filter(
            issuer=issuer, client_id=clients[0], is_active=True, credential__is_active=True
        )
        .select_related("credential")
        .first()
        if clients and isinstance(issuer, str) and "\0" not in issuer + clients[0]
        else None
    )
    if trust is None:
        raise NotRecognised("carries a token of an issuer or client that is not trusted here")
    return trust


def _granted(value: Any, grants: dict[str, list[str]]) -> set[str]:
    """The permissions that a claim (texts with spaces between, or a list of texts) stands for."""
    named = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
    return {permission for name in named if isinstance(name, str) for permission in grants.get(name, ())}


# --- keys -----------------------------------------------------------------------------------------------------


def forget() -> None:
    """Makes this process fetch every issuer's keys again."""
    _keys.clear()


def _key(trust: IssuerTrust, name: object) -> jwt.PyJWK:
    """The issuer's key of this name; without a name, its only one. Raises NotRecognised, NotNow."""
    clock = time.monotonic()
    address = trust.keys_url or trust.issuer
    fresh_until, ask_again_at, keys = _keys.get(address, (0.0, 0.0, {}))
    found = _named(keys, name)
    if (found is None or fresh_until < clock) and ask_again_at <= clock:
        with _lock:
            # Others wait here for the one that asks, and then find what it found.
            fresh_until, ask_again_at, keys = _keys.get(address, (0.0, 0.0, {}))
            if ask_again_at <= clock:
                fetched = _fetch_keys(trust)
                # An issuer that does not answer is taken to have the keys it had, until it answers again.
                keys = fetched if fetched is not None else keys
                _keys[address] = (
                    clock + (KEYS_KEPT_S if fetched is not None else 0.0),
                    clock + ASK_AGAIN_S,
                    keys,
                )
        found = _named(keys, name)
    if found is not None:
        return found
    if not keys:
        raise NotNow(
            503,
            "Authorization",
            "carries a token whose issuer's keys cannot be fetched now",
            "Try again shortly, or use a key and secret.",
            int(ASK_AGAIN_S),
        )
    raise NotRecognised("carries a token signed with a key its issuer does not show")


def _named(keys: dict[str, jwt.PyJWK], name: object) -> jwt.PyJWK | None:
    if name is None:
        return next(iter(keys.values())) if len(keys) == 1 else None
    return keys.get(name) if isinstance(name, str) else None


def _fetch_keys(trust: IssuerTrust) -> dict[str, jwt.PyJWK] | None:
    address = trust.keys_url
    if not address:
        told = _fetch(trust.issuer.rstrip("/") + "/.well-known/openid-configuration")
        named = told.get("jwks_uri") if isinstance(told, dict) else None
        # The configuration is the issuer's word; a key elsewhere needs an administrator's.
        if not isinstance(named, str) or _origin(named) != _origin(trust.issuer):
            return None
        address = named
    told = _fetch(address)
    if not isinstance(told, dict) or not isinstance(told.get("keys"), list):
        return None
    keys: dict[str, jwt.PyJWK] = {}
    for number, shown in enumerate(told["keys"]):
        try:
            # A key for signing, of a pair: a shared secret in a public list would sign for everybody.
            if shown.get("kty") in ("RSA", "EC") and shown.get("use", "sig") == "sig":
                keys[shown.get("kid") or f"#{number}"] = jwt.PyJWK.from_dict(shown)
        except (jwt.PyJWTError, AttributeError, TypeError, ValueError):
            continue  # one we cannot use; its tokens are not recognised
    return keys


def _fetch(address: str) -> Any:
    """What is at this address, as JSON; None where nothing usable is. Follows no redirects, reads a bounded size."""
    import requests

    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and not settings.IN_PRODUCTION):
        return None
    try:
        with requests.get(
            address,
            timeout=PATIENCE_S,
            allow_redirects=False,
            stream=True,
            headers={"Accept": "application/json"},
        ) as answer:
            if answer.status_code != 200:
                return None
            content = answer.raw.read(LARGEST + 1, decode_content=True)
        return msgspec.json.decode(content) if len(content) <= LARGEST else None
    except (requests.RequestException, OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    except Exception as error:  # urllib3's own, while the body is read
        if type(error).__module__.startswith("urllib3"):
            return None
        raise


def _origin(address: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(address)
    try:
        return parts.scheme.lower(), parts.hostname, parts.port
    except ValueError:
        return "", None, None
