"""Signing in to a server: the SDK's OAuth provider, and what it knows in a file of mode 0600."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from mcp.client.auth import OAuthClientProvider, OAuthFlowError
from mcp.client.auth.extensions.client_credentials import (
    ClientCredentialsOAuthProvider,
    PrivateKeyJWTOAuthProvider,
    SignedJWTParameters,
)
from mcp.client.auth.utils import issuers_match
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthMetadata,
    OAuthToken,
)
from pydantic import AnyUrl, ValidationError

from tools.mcp.entry import HttpEntry, OAuthSettings
from tools.mcp.identity import identity_assertion
from tools.mcp.reasons import SignInNeeded


@dataclass(frozen=True)
class Person:
    """Somebody who signs in: shows an address, and waits for what the browser brings back."""

    redirect_uri: str
    show: Callable[[str], Awaitable[None]]
    wait: Callable[[], Awaitable[AuthorizationCodeResult]]


class TokenFile:
    """Tokens, the client's registration and the server's metadata, for one address.

    What belongs to another address than the entry's is not read: a token goes to the server that
    it was made for only.
    """

    def __init__(self, folder: Path, name: str, url: str):
        self.path = folder / f"{name}-{hashlib.sha256(url.encode()).hexdigest()[:16]}.json"
        self._url = url

    def read(self) -> dict[str, Any]:
        """The file's content; empty where there is none that can be used."""
        try:
            value = json.loads(self.path.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return value if isinstance(value, dict) and value.get("url") == self._url else {}

    def update(self, **values: Any) -> None:
        """Replace some of it. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({**self.read(), "url": self._url, **values}, file)
        part.replace(self.path)

    def forget(self) -> bool:
        """Remove all; whether there was something."""
        with suppress(FileNotFoundError):
            self.path.unlink()
            return True
        return False

    async def get_tokens(self) -> OAuthToken | None:
        found: OAuthToken | None = self._model(OAuthToken, "tokens")
        return found

    async def set_tokens(self, tokens: OAuthToken) -> None:
        expires = time.time() + tokens.expires_in if tokens.expires_in else None
        self.update(tokens=tokens.model_dump(mode="json"), expires=expires)

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        found: OAuthClientInformationFull | None = self._model(OAuthClientInformationFull, "client")
        return found

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.update(client=client_info.model_dump(mode="json"))

    def metadata(self) -> OAuthMetadata | None:
        found: OAuthMetadata | None = self._model(OAuthMetadata, "metadata")
        return found

    def _model(self, kind: Any, field: str) -> Any:
        value = self.read().get(field)
        try:
            return None if value is None else kind.model_validate(value)
        except ValidationError:
            return None


class Provider(OAuthClientProvider):
    """The SDK's provider; across a restart it also knows when a token expires and who renews it."""

    file: TokenFile
    issuer: str = ""  # where the client is registered, if that is known

    def _select_authorization_server(self, advertised: list[str]) -> str:
        if not self.issuer:
            return advertised[0]
        for address in advertised:
            if issuers_match(address, self.issuer):
                return address
        raise OAuthFlowError(f"it wants a sign-in at {advertised[0]}, not at oauth.issuer")

    async def _initialize(self) -> None:
        await super()._initialize()
        self.context.token_expiry_time = self.file.read().get("expires")
        self.context.oauth_metadata = self.context.oauth_metadata or self.file.metadata()

    async def _handle_token_response(self, response: httpx2.Response) -> None:
        await super()._handle_token_response(response)
        if self.context.oauth_metadata is not None:
            self.file.update(metadata=self.context.oauth_metadata.model_dump(mode="json"))


def provider(entry: HttpEntry, folder: Path, person: Person | None) -> httpx2.Auth:
    """The authentication of requests to a server; it does nothing until the server asks for it."""
    file = TokenFile(folder, entry.name, entry.url)
    oauth = entry.oauth
    if oauth.grant == "identity_assertion":
        return identity_assertion(entry, file)
    if oauth.grant == "client_credentials" and oauth.private_key:
        return _signing(entry, file)
    if oauth.grant == "client_credentials":
        return ClientCredentialsOAuthProvider(
            entry.url, file, oauth.client_id, oauth.client_secret, scope=oauth.scope or None,
            issuer=oauth.issuer or None,
        )  # fmt: skip
    person = person or _nobody(entry.name)
    redirect = AnyUrl(person.redirect_uri)
    metadata = OAuthClientMetadata(
        redirect_uris=[redirect], client_name="ingle", scope=oauth.scope or None
    )
    if oauth.client_id:
        _give(file, oauth, redirect)
    made = Provider(
        entry.url, metadata, file, person.show, person.wait, oauth.metadata_url or None
    )  # fmt: skip
    made.file, made.issuer = file, oauth.issuer
    return made


def _give(file: TokenFile, oauth: OAuthSettings, redirect: AnyUrl) -> None:
    """Let the client of the settings be the one that is known. Raises OSError."""
    given = OAuthClientInformationFull(
        client_id=oauth.client_id, client_secret=oauth.client_secret or None,
        redirect_uris=[redirect], issuer=oauth.issuer or None,
        token_endpoint_auth_method="client_secret_basic" if oauth.client_secret else "none",
    ).model_dump(mode="json")  # fmt: skip
    known = file.read().get("client") or {}
    if any(known.get(key) != given[key] for key in ("client_id", "client_secret", "issuer")):
        file.update(client=given)


def _signing(entry: HttpEntry, file: TokenFile) -> httpx2.Auth:
    """A client without a person that signs with a key of its own. Raises OSError."""
    oauth = entry.oauth
    signed = SignedJWTParameters(
        issuer=oauth.client_id, subject=oauth.client_id, signing_algorithm=oauth.algorithm,
        signing_key=Path(oauth.private_key).expanduser().read_text("utf-8"),
    )  # fmt: skip
    return PrivateKeyJWTOAuthProvider(
        entry.url, file, oauth.client_id, signed.create_assertion_provider(), oauth.scope or None,
        oauth.issuer or None,
    )  # fmt: skip


def _nobody(name: str) -> Person:
    async def show(_url: str) -> None:
        raise SignInNeeded(f"it wants you to sign in: run `agent mcp auth {name}`")

    async def wait() -> AuthorizationCodeResult:
        raise SignInNeeded(f"it wants you to sign in: run `agent mcp auth {name}`")

    return Person("http://127.0.0.1:8931/callback", show, wait)
