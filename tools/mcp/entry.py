"""A server as the configuration describes it: a command to start, or an address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

START_S = 60.0  # `npx` may have to fetch the server first
CALL_S = 300.0


@dataclass(frozen=True)
class Grants:
    """What a server's process may reach beside its own folder: the network, and paths."""

    network: bool = True
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()


@dataclass(frozen=True)
class StdioEntry:
    """A server that is a child process. Times are in seconds; `env` comes on top of a clean one."""

    name: str
    command: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    grants: Grants = field(default_factory=Grants)
    start_s: float = START_S
    call_s: float = CALL_S


@dataclass(frozen=True)
class IdentityProvider:
    """Where an enterprise's users sign in, and the ID token that it gave one of them.

    `id_token_file` is the path of a file that is kept up to date by others, in place of the token.
    """

    token_endpoint: str = ""
    client_id: str = ""
    client_secret: str = ""
    id_token: str = ""
    id_token_file: str = ""


@dataclass(frozen=True)
class OAuthSettings:
    """What the user was given by an authorization server; all of it may be empty.

    `grant` is 'authorization_code' (a person signs in), 'client_credentials', or
    'identity_assertion' with `idp`. `metadata_url` is an https address that describes the client (a
    client ID metadata document). `private_key` is the path of a PEM file that signs in place of a
    secret, by `algorithm`, for 'client_credentials'. `issuer` is the authorization server that the
    client is registered with: its secret is sent to no other.
    """

    client_id: str = ""
    client_secret: str = ""
    scope: str = ""
    grant: str = "authorization_code"
    metadata_url: str = ""
    private_key: str = ""
    algorithm: str = "RS256"
    issuer: str = ""
    idp: IdentityProvider = field(default_factory=IdentityProvider)


@dataclass(frozen=True)
class HttpEntry:
    """A server behind an address (streamable HTTP). Times are in seconds."""

    name: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    oauth: OAuthSettings = field(default_factory=OAuthSettings)
    start_s: float = START_S
    call_s: float = CALL_S


Entry = StdioEntry | HttpEntry
