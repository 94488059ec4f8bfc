"""What may stand in an entry's `oauth`, and what is said of the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent.errors import ConfigError
from agent.mcp.settings import Configured, add_server, configured, entry_of
from tests.mcp_servers_used_in_tests.use import folders
from tools.mcp.entry import HttpEntry, IdentityProvider, OAuthSettings

ENTERPRISE = {
    "grant": "identity_assertion",
    "clientId": "ingle",
    "clientSecret": "${CLIENT_SECRET}",
    "issuer": "https://auth.example.com",
    "idpTokenEndpoint": "https://login.example.com/token",
    "idpClientId": "ingle-at-login",
    "idToken": "${ID_TOKEN}",
}


def without(*names: str, **others: str) -> dict[str, str]:
    return {key: value for key, value in (ENTERPRISE | others).items() if key not in names}


def entry(oauth: Any) -> dict[str, Any]:
    return {"url": "https://mcp.example.com/mcp", "oauth": oauth}


def only(base: Path) -> Configured:
    [found] = [server for server in configured(folders(base), base) if server.source != "built in"]
    return found


def test_an_enterprise_s_settings(tmp_path: Path) -> None:
    add_server(folders(tmp_path), "docs", entry(ENTERPRISE))
    environment = {"CLIENT_SECRET": "s3cret", "ID_TOKEN": "a.b.c"}
    made = entry_of(only(tmp_path), environment, tmp_path)
    assert isinstance(made, HttpEntry)
    assert made.oauth == OAuthSettings(
        "ingle", "s3cret", grant="identity_assertion", issuer="https://auth.example.com",
        idp=IdentityProvider("https://login.example.com/token", "ingle-at-login", id_token="a.b.c"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("oauth", "said"),
    [
        (
            {"grant": "password"},
            "oauth.grant has to be one of authorization_code, client_credentials, "
            "identity_assertion",
        ),
        ({"grant": "client_credentials"}, "the grant client_credentials needs oauth.clientId"),
        (
            {"grant": "client_credentials", "clientId": "a"},
            "the grant client_credentials needs oauth.clientSecret or oauth.privateKey",
        ),
        (without("issuer"), "the grant identity_assertion needs oauth.issuer"),
        (without("clientSecret"), "the grant identity_assertion needs oauth.clientSecret"),
        (without("idpTokenEndpoint"), "the grant identity_assertion needs oauth.idpTokenEndpoint"),
        (without("idpClientId"), "the grant identity_assertion needs oauth.idpClientId"),
        (
            without("idToken"),
            "the grant identity_assertion needs oauth.idToken or oauth.idTokenFile",
        ),
        (
            without(idTokenFile="~/id-token"),
            "the grant identity_assertion takes either oauth.idToken or oauth.idTokenFile",
        ),
        (
            without(idpTokenEndpoint="http://login.example.com/token"),
            "oauth.idpTokenEndpoint has to begin with https:// (http:// on this machine only)",
        ),
        (
            {"issuer": "auth.example.com"},
            "oauth.issuer has to begin with https:// (http:// on this machine only)",
        ),
        ({"issuer": "https://["}, "oauth.issuer has to begin with https://"),
        ({"issuer": 1}, "oauth has to be an object of strings"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(tmp_path: Path, oauth: Any, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        add_server(folders(tmp_path), "docs", entry(oauth))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ISSUER", "http://auth.example.com", "oauth.issuer has to begin with https://"),
        ("ISSUER", "", "the grant identity_assertion needs oauth.issuer"),
        ("ID_TOKEN", "", "the grant identity_assertion needs oauth.idToken or oauth.idTokenFile"),
    ],
)
def test_variables_are_looked_at_when_they_are_filled_in(
    tmp_path: Path, name: str, value: str, said: str
) -> None:
    add_server(folders(tmp_path), "docs", entry(without(issuer="${ISSUER}")))
    environment = {"CLIENT_SECRET": "s", "ID_TOKEN": "a.b.c", "ISSUER": "http://localhost:1"}
    assert entry_of(only(tmp_path), environment, tmp_path)
    with pytest.raises(ConfigError, match=said):
        entry_of(only(tmp_path), environment | {name: value}, tmp_path)


def test_no_project_sends_the_users_identity_anywhere(tmp_path: Path) -> None:
    text = json.dumps({"mcpServers": {"theirs": entry(ENTERPRISE)}})
    (tmp_path / ".mcp.json").write_text(text, "utf-8")
    assert only(tmp_path).problem == "the grant identity_assertion stands in your own file only"
