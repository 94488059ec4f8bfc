"""The `oauth` object of an entry: what is wrong with it, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from tools.mcp.entry import IdentityProvider, OAuthSettings

# What each grant cannot do without; of a tuple one, and not more than one.
_NEEDS: dict[str, tuple[str | tuple[str, str], ...]] = {
    "authorization_code": (),
    "client_credentials": ("clientId", ("clientSecret", "privateKey")),
    "identity_assertion": (
        "clientId", "clientSecret", "issuer", "idpTokenEndpoint", "idpClientId",
        ("idToken", "idTokenFile"),
    ),
}  # fmt: skip
_ADDRESSES = ("issuer", "idpTokenEndpoint")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def oauth_problem(oauth: Mapping[str, str]) -> str:
    """Why a server could not be signed in to with this ('' if it could)."""
    grant = oauth.get("grant", "authorization_code")
    if grant not in _NEEDS:
        return f"oauth.grant has to be one of {', '.join(_NEEDS)}"
    for needed in _NEEDS[grant]:
        names = (needed,) if isinstance(needed, str) else needed
        given = [name for name in names if oauth.get(name)]
        if not given:
            return f"the grant {grant} needs oauth.{' or oauth.'.join(names)}"
        if len(given) > 1:
            return f"the grant {grant} takes either oauth.{' or oauth.'.join(names)}"
    for name in _ADDRESSES:
        if not _is_safe(oauth.get(name, "")):
            return f"oauth.{name} has to begin with https:// (http:// on this machine only)"
    return ""


def asserts_identity(oauth: Mapping[str, str]) -> bool:
    """Whether the user's ID token would be sent somewhere, which no project may ask for."""
    return oauth.get("grant") == "identity_assertion"


def _is_safe(address: str) -> bool:
    """Whether secrets may be sent there; what is filled in later is looked at then."""
    if not address or "${" in address:
        return True
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and parts.scheme in (("https", "http") if host in _LOOPBACK else ("https",))


def oauth_settings(oauth: Mapping[str, str]) -> OAuthSettings:
    """What an object without a problem says."""
    idp = IdentityProvider(
        oauth.get("idpTokenEndpoint", ""), oauth.get("idpClientId", ""),
        oauth.get("idpClientSecret", ""), oauth.get("idToken", ""), oauth.get("idTokenFile", ""),
    )  # fmt: skip
    return OAuthSettings(
        oauth.get("clientId", ""), oauth.get("clientSecret", ""), oauth.get("scope", ""),
        oauth.get("grant", "authorization_code"), oauth.get("clientMetadataUrl", ""),
        oauth.get("privateKey", ""), oauth.get("algorithm", "RS256"), oauth.get("issuer", ""), idp,
    )  # fmt: skip
