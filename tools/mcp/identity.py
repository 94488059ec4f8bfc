"""Signing in with the identity that an enterprise's identity provider vouches for (SEP-990).

The user's ID token is exchanged at the identity provider for a grant that one authorization server
takes (an ID-JAG, by RFC 8693), and that grant for an access token there (RFC 7523, by the SDK).
The authorization server is configured; what the MCP server says of one is not asked for.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlsplit

import httpx2
from mcp.client.auth import OAuthFlowError, OAuthTokenError, TokenStorage
from mcp.client.auth.extensions.identity_assertion import IdentityAssertionOAuthProvider
from pydantic import BaseModel, Field, ValidationError

from tools.mcp.entry import HttpEntry, IdentityProvider
from tools.mcp.guard import bound, transport_for

TIMEOUT_S = 30.0
_TYPES = "urn:ietf:params:oauth:token-type:"
_JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)


class _Exchanged(BaseModel):
    """What RFC 8693 answers with, as far as it is used."""

    access_token: str = Field(min_length=1)
    issued_token_type: Literal["urn:ietf:params:oauth:token-type:id-jag"]


class _Refusal(BaseModel):
    """An error of RFC 6749."""

    error: str
    error_description: str = ""


def identity_assertion(entry: HttpEntry, storage: TokenStorage) -> httpx2.Auth:
    """The authentication of requests to a server of the enterprise; it needs no person."""
    oauth = entry.oauth

    async def grant(audience: str, resource: str) -> str:
        return await id_jag(oauth.idp, audience, resource, oauth.scope)

    return IdentityAssertionOAuthProvider(
        entry.url, storage, oauth.client_id, oauth.client_secret, oauth.issuer, grant,
        oauth.scope or None, "client_secret_basic",
    )  # fmt: skip


async def id_jag(idp: IdentityProvider, audience: str, resource: str, scope: str = "") -> str:
    """The grant for an authorization server (`audience`) and an MCP server (`resource`).

    Raises:
        OSError: the file of the ID token cannot be read.
        OAuthFlowError: there is no ID token, or the identity provider refuses or does not answer.
    """
    data = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "requested_token_type": f"{_TYPES}id-jag",
        "audience": audience,
        "resource": resource,
        "subject_token": id_token(idp),
        "subject_token_type": f"{_TYPES}id_token",
    }
    auth = None
    if idp.client_secret:  # RFC 6749, 2.3.1
        auth = httpx2.BasicAuth(quote(idp.client_id, safe=""), quote(idp.client_secret, safe=""))
    else:
        data["client_id"] = idp.client_id
    if scope:
        data["scope"] = scope
    try:
        async with httpx2.AsyncClient(
            auth=auth,
            transport=transport_for(idp.token_endpoint),
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            timeout=TIMEOUT_S,
            event_hooks={"response": [bound]},
        ) as client:
            # A redirect is not followed: the token is for this address only.
            answer = await client.post(idp.token_endpoint, data=data)
    except (httpx2.HTTPError, httpx2.StreamError) as error:
        host = urlsplit(idp.token_endpoint).netloc
        raise OAuthFlowError(f"the identity provider {host} gives no answer: {error}") from error
    return _read(answer)


def id_token(idp: IdentityProvider) -> str:
    """The user's ID token as it is now. Raises OSError, OAuthFlowError."""
    text, where = idp.id_token, "oauth.idToken"
    if idp.id_token_file:
        path = Path(idp.id_token_file).expanduser()
        text, where = path.read_text("utf-8", errors="replace"), str(path)
    text = text.strip()
    # A wrong path must not send a password or a key to the identity provider.
    if not _JWT.fullmatch(text):
        raise OAuthFlowError(f"{where} is no ID token (a JWT: three parts with dots between)")
    return text


def _read(answer: httpx2.Response) -> str:
    try:
        if answer.status_code == 200:
            return _Exchanged.model_validate_json(answer.content).access_token
        refusal = _Refusal.model_validate_json(answer.content)
    except ValidationError as error:
        text = f"the identity provider's answer (HTTP {answer.status_code}) holds no ID-JAG"
        raise OAuthTokenError(text) from error
    why = f"{refusal.error} {refusal.error_description}".strip()
    raise OAuthTokenError(f"the identity provider refused the ID token: {why}")
