"""Is a credential really its issuer's? Checked with the keys an admin has configured for that issuer, offline.

Two forms: a compact JWS (Open Badges 3.0, 8.2) and an embedded Data Integrity proof of the cryptosuite
``eddsa-jcs-2022`` (W3C Data Integrity EdDSA Cryptosuites 1.0, 3.3). Suites that sign RDF are not checked.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import jwt
import rfc8785
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

# Only signatures by key pairs: a shared secret, or "none", proves nothing about an issuer.
ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "EdDSA")
SUITE = "eddsa-jcs-2022"
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_ED25519 = b"\xed\x01"  # multicodec


class Forged(Exception):
    """A signature does not fit what it is said to sign."""


class CannotCheck(Exception):
    """It may be right, but not by any means we have; the message says why."""


def public_keys(settings: dict[str, Any]) -> list[Any]:
    """The keys of a feed's settings: ``jwks`` (RFC 7517), ``pem``, or ``multibase`` (z6Mk…). Raises ValueError."""
    try:
        return _keys_in(settings)
    except (jwt.PyJWTError, UnsupportedAlgorithm, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"no key of a kind we know ({type(error).__name__}).") from error


def _keys_in(settings: dict[str, Any]) -> list[Any]:
    keys: list[Any] = []
    for entry in (settings.get("jwks") or {}).get("keys", ()):
        keys.append(jwt.PyJWK(entry, algorithm=None if "alg" in entry else _algorithm(entry)).key)
    if settings.get("pem"):
        keys.append(load_pem_public_key(settings["pem"].encode()))
    if settings.get("multibase"):
        keys.append(Ed25519PublicKey.from_public_bytes(_multikey(settings["multibase"])))
    return keys


def _algorithm(entry: dict[str, Any]) -> str:
    return {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}.get(entry.get("kty", ""), "")


def payload_of(token: str) -> dict[str, Any]:
    """What a compact JWS says, unchecked. Raises ValueError."""
    try:
        return dict(jwt.decode(token, options={"verify_signature": False}))
    except jwt.InvalidTokenError as error:
        raise ValueError("no JWT") from error


def check_token(token: str, keys: Sequence[Any]) -> None:
    """Raises Forged unless one of the keys signed this token."""
    for key in keys:
        try:
            # Whether it has expired is a fact about the credential, not about its signature.
            jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                options={"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False},
            )
        except (jwt.InvalidTokenError, TypeError, ValueError, AttributeError):
            continue
        return
    raise Forged


def check_proof(credential: dict[str, Any], keys: Sequence[Any]) -> None:
    """Raises Forged unless one of the keys made the credential's proof, CannotCheck where its form is another."""
    proofs = credential.get("proof")
    found = [proof for proof in (proofs if isinstance(proofs, list) else [proofs]) if isinstance(proof, dict)]
    if not found:
        raise CannotCheck("it bears no proof")
    usable = [proof for proof in found if proof.get("cryptosuite") == SUITE]
    if not usable:
        raise CannotCheck(f"its proof is of another kind than {SUITE} or a JWT")
    document = {name: value for name, value in credential.items() if name != "proof"}
    for proof in usable:
        signature = _base58(str(proof.get("proofValue", "")))
        options = {name: value for name, value in proof.items() if name != "proofValue"}
        signed = _digest(options) + _digest(_as_signed(document, options))
        for key in keys:
            if isinstance(key, Ed25519PublicKey):
                try:
                    key.verify(signature, signed)
                except InvalidSignature:
                    continue
                return
    raise Forged


def _as_signed(document: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """The document with the context it was signed in: whoever passes it on may add to its context (3.3.2, step 4)."""
    if "@context" not in options:
        return document
    signed, now = _listed(options["@context"]), _listed(document.get("@context"))
    if now[: len(signed)] != signed:
        raise Forged
    return {**document, "@context": options["@context"]}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _digest(value: dict[str, Any]) -> bytes:
    return hashlib.sha256(rfc8785.dumps(value)).digest()


def _multikey(text: str) -> bytes:
    raw = _base58(text)
    if not raw.startswith(_ED25519):
        raise ValueError("The multibase key is no Ed25519 key (z6Mk…).")
    return raw.removeprefix(_ED25519)


def _base58(text: str) -> bytes:
    """The bytes of a multibase text in base58-btc, which begins with z; none for what is none."""
    digits = text.removeprefix("z")
    if digits == text or len(digits) > 200 or any(sign not in _BASE58 for sign in digits):
        return b""
    value = 0
    for sign in digits:
        value = value * 58 + _BASE58.index(sign)
    zeros = len(digits) - len(digits.lstrip("1"))
    return bytes(zeros) + value.to_bytes((value.bit_length() + 7) // 8, "big")
