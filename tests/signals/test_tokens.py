"""Bearer tokens: only good ones of a trusted issuer count, and only for what their credential may do."""

import contextlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.db import IntegrityError, transaction
from django.test import Client
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from signals.models import Credential, IssuerTrust, Statement
from signals.xapi import credentials, tokens
from tests.support.signals import as_json, make_credential, statement

pytestmark = pytest.mark.django_db
ISSUER = "https://id.example.com/realm"
KEYS = "https://id.example.com/realm/keys"
SIGNER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CURVE = ec.generate_private_key(ec.SECP256R1())


class Web:
    """What the issuer shows, and how often it was asked for what."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        rsa_key = RSAAlgorithm.to_jwk(SIGNER.public_key(), as_dict=True)
        curve = ECAlgorithm.to_jwk(CURVE.public_key(), as_dict=True)
        self.pages: dict[str, Any] = {
            f"{ISSUER}/.well-known/openid-configuration": {"issuer": ISSUER, "jwks_uri": KEYS},
            KEYS: {
                "keys": [
                    {**rsa_key, "kid": "one", "use": "sig"},
                    {**curve, "kid": "two"},
                    {"kty": "oct", "k": "c2VjcmV0", "kid": "shared"},
                ]
            },
        }

    def fetch(self, address: str) -> Any:
        self.asked.append(address)
        return self.pages.get(address)


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Web:
    shown = Web()
    monkeypatch.setattr(tokens, "_fetch", shown.fetch)
    tokens.forget()
    credentials.forget()
    return shown


@pytest.fixture
def trust() -> IssuerTrust:
    return IssuerTrust.objects.create(
        credential=make_credential("write", "read").credential,
        issuer=ISSUER,
        client_id="player",
        audience="https://learn.example.com/xapi/",
    )


def token(key: Any = SIGNER, kid: str | None = "one", algorithm: str = "RS256", **claims: Any) -> str:
    now = int(time.time())
    said = {
        "iss": ISSUER,
        "aud": "https://learn.example.com/xapi/",
        "azp": "player",
        "exp": now + 300,
        "nbf": now - 5,
        "scope": "openid statements/write",
        **claims,
    }
    return jwt.encode(
        {name: value for name, value in said.items() if value is not None},
        key,
        algorithm=algorithm,
        headers={"kid": kid} if kid else None,
    )


def post(client: Client, bearer: str) -> Any:
    return client.post(
        "/xapi/statements",
        as_json(statement()),
        content_type="application/json",
        headers={"Authorization": f"Bearer {bearer}", "X-Experience-API-Version": "1.0.3"},
    )


def test_it_stores_under_the_credential_a_token_is_bound_to(
    client: Client, web: Web, trust: IssuerTrust
) -> None:
    answer = post(client, token())

    assert answer.status_code == 200
    assert Statement.objects.get().credential_id == trust.credential_id


def test_it_fetches_keys_once_and_from_the_issuer(client: Client, web: Web, trust: IssuerTrust) -> None:
    post(client, token())
    credentials.forget()
    post(client, token(jti="another"))
    credentials.forget()
    post(client, token(CURVE, "two", "ES256"))

    assert web.asked == [f"{ISSUER}/.well-known/openid-configuration", KEYS]
    assert Statement.objects.count() == 3


def test_it_permits_what_token_and_credential_both_do(client: Client, web: Web, trust: IssuerTrust) -> None:
    found = tokens.credential_of(token(scope="all"))
    less = tokens.credential_of(token(scope="statements/read state"))
    nothing = post(client, token(scope="openid"))

    assert set(found.permissions) == {"read", "write"}
    assert less.permissions == ["read"]
    assert nothing.status_code == 403
    assert Credential.objects.get().permissions == ["read", "write"]


def test_it_reads_grants_from_the_claim_the_trust_names(web: Web, trust: IssuerTrust) -> None:
    trust.claim, trust.grants = "roles", {"lrs-writer": ["write"]}
    trust.save()

    found = tokens.credential_of(token(roles=["lrs-writer", "other", 7], scope="all"))

    assert found.permissions == ["write"]


@pytest.mark.parametrize(
    ("key", "claims"),
    [
        ("signer", {"exp": 1_000_000_000}),
        ("signer", {"exp": None}),
        ("signer", {"nbf": 4_000_000_000}),
        ("signer", {"aud": "https://elsewhere.example.com"}),
        ("signer", {"aud": None}),
        ("signer", {"iss": "https://evil.example.com"}),
        ("signer", {"azp": "somebody-else"}),
        ("signer", {"azp": None}),
        ("stranger", {}),
    ],
)
def test_it_refuses_a_token_that_is_not_good(
    client: Client, web: Web, trust: IssuerTrust, key: str, claims: dict[str, Any]
) -> None:
    answer = post(client, token(SIGNER if key == "signer" else STRANGER, **claims))

    assert answer.status_code == 401
    assert "Bearer" in answer["WWW-Authenticate"]
    assert not Statement.objects.exists()


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_it_takes_asymmetric_signatures_only(client: Client, web: Web, trust: IssuerTrust) -> None:
    nothing: Any = None
    unsigned = jwt.encode(jwt.decode(token(), options={"verify_signature": False}), nothing, algorithm="none")

    assert post(client, unsigned).status_code == 401
    assert post(client, token("secret", "shared", "HS256")).status_code == 401
    assert post(client, token("secret", "one", "HS256")).status_code == 401


@pytest.mark.parametrize("row", ["trust", "credential"])
def test_it_forgets_what_is_no_longer_trusted(client: Client, web: Web, trust: IssuerTrust, row: str) -> None:
    model = IssuerTrust if row == "trust" else Credential
    model._default_manager.update(is_active=False)

    assert post(client, token()).status_code == 401
    assert web.asked == []  # a stranger's token makes us ask nobody


def test_it_follows_no_issuer_to_another_host(client: Client, web: Web, trust: IssuerTrust) -> None:
    web.pages[f"{ISSUER}/.well-known/openid-configuration"]["jwks_uri"] = "https://169.254.169.254/keys"

    answer = post(client, token())

    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    assert web.asked == [f"{ISSUER}/.well-known/openid-configuration"]


def test_it_asks_where_the_administrator_says(client: Client, web: Web, trust: IssuerTrust) -> None:
    trust.keys_url = "https://keys.example.net/jwks"
    trust.save()
    web.pages[trust.keys_url] = web.pages[KEYS]

    assert post(client, token()).status_code == 200
    assert web.asked == [trust.keys_url]


def test_it_does_not_ask_for_every_unknown_key(client: Client, web: Web, trust: IssuerTrust) -> None:
    post(client, token())

    answers = [post(client, token(kid=f"made-up-{number}")).status_code for number in range(4)]

    assert answers == [401] * 4
    assert web.asked.count(KEYS) == 1


def test_it_keeps_the_keys_of_an_issuer_that_is_away(
    client: Client, web: Web, trust: IssuerTrust, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(client, token())
    web.pages.clear()
    later = time.monotonic() + 3600
    monkeypatch.setattr(time, "monotonic", lambda: later)

    assert post(client, token(jti="later")).status_code == 200
    assert len(web.asked) == 3


@pytest.mark.parametrize("address", ["ftp://id.example.com/keys", "file:///etc/passwd", "nonsense"])
def test_it_fetches_over_http_only(address: str) -> None:
    assert tokens._fetch(address) is None


class Pages(BaseHTTPRequestHandler):
    """A server that answers, sends elsewhere, and never ends."""

    def do_GET(self) -> None:
        if self.path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", "/keys")
            self.end_headers()
            return
        body = b'{"keys": []}' if self.path == "/keys" else b"[" + b"0," * tokens.LARGEST
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


def test_it_follows_no_redirect_and_reads_no_more_than_it_must(settings: Any) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        root = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            found = [tokens._fetch(root + path) for path in ("/keys", "/elsewhere", "/endless")]
            settings.IN_PRODUCTION = True
            in_production = tokens._fetch(root + "/keys")
        finally:
            server.shutdown()

    assert found == [{"keys": []}, None, None]
    assert in_production is None
    assert tokens._fetch(root + "/keys") is None


def test_it_promises_one_credential_for_an_issuers_client(trust: IssuerTrust) -> None:
    with pytest.raises(IntegrityError, match="an_issuers_client_means_one_credential"), transaction.atomic():
        IssuerTrust.objects.create(
            credential=trust.credential, issuer=ISSUER, client_id="player", audience="other"
        )
    with pytest.raises(IntegrityError, match="a_trust_names_issuer_client"), transaction.atomic():
        IssuerTrust.objects.filter(pk=trust.pk).update(audience="")
