"""Where a client's secret, its registration and a user's identity are sent, and where they are not.

The servers are one fake on loopback: an MCP server, an authorization server, an identity provider.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client.auth import OAuthFlowError
from mcp.shared.auth import AuthorizationCodeResult
from pytest_httpserver import HTTPServer

from tools.mcp.entry import HttpEntry, IdentityProvider, OAuthSettings
from tools.mcp.identity import id_jag
from tools.mcp.oauth import Person, TokenFile, provider
from tools.mcp.reasons import reason_of

ELSEWHERE = "https://auth.example.com"
ID_JAG = "urn:ietf:params:oauth:token-type:id-jag"
MACHINE = OAuthSettings("ingle", "s3cret", grant="client_credentials")


@pytest.fixture
def web() -> Iterator[HTTPServer]:
    with HTTPServer() as server:
        yield server


def origin(web: HTTPServer) -> str:
    return web.url_for("").rstrip("/")


def serve(web: HTTPServer, issuer: str, *, named: str = "") -> None:
    """An MCP server, and an authorization server that calls itself `issuer`.

    Protected resource metadata names `named`; without it there is none, as in 2025-03-26.
    """
    here = origin(web)
    well_known = "/.well-known/oauth-protected-resource"
    resource: Any = {"resource": f"{here}/mcp", "authorization_servers": [named]}
    asked = web.expect_request(re.compile(re.escape(well_known)))
    if named:
        asked.respond_with_json(resource)
    else:
        asked.respond_with_data("", status=404)
    web.expect_request("/.well-known/oauth-authorization-server").respond_with_json({
        "issuer": issuer, "authorization_endpoint": f"{here}/authorize",
        "token_endpoint": f"{here}/token", "registration_endpoint": f"{here}/register",
        "response_types_supported": ["code"],
    })  # fmt: skip
    web.expect_request("/token").respond_with_json({"access_token": "t", "token_type": "Bearer"})
    web.expect_request("/register").respond_with_json({"client_id": "new", "redirect_uris": []})
    web.expect_request("/mcp", headers={"authorization": "Bearer t"}).respond_with_data("hello")
    web.expect_request("/mcp").respond_with_data("", status=401)


def person() -> Person:
    """Follows nothing: it is enough that a sign-in was wanted."""

    async def show(url: str) -> None:
        raise OAuthFlowError(f"shown {url}")

    async def wait() -> AuthorizationCodeResult:
        raise AssertionError

    return Person("http://127.0.0.1:8931/callback", show, wait)


async def asked(web: HTTPServer, oauth: OAuthSettings, base: Path) -> str:
    """What the MCP server answers; an error in a line if it does not come to that."""
    entry = HttpEntry("docs", f"{origin(web)}/mcp", oauth=oauth)
    try:
        async with httpx2.AsyncClient(auth=provider(entry, base, person())) as client:
            answer = await client.post(entry.url)
    except (OAuthFlowError, OSError) as error:
        return reason_of(error)
    return f"{answer.status_code} {answer.text}"


def bodies(web: HTTPServer, path: str) -> list[str]:
    """What was sent to a path, with its credentials readable."""
    found = []
    for request, _ in web.log:
        if request.path == path:
            _, _, basic = request.headers.get("authorization", "").partition("Basic ")
            with suppress(ValueError):
                basic = base64.b64decode(basic).decode()
            found.append(f"{basic} {request.get_data(as_text=True)}")
    return found


@pytest.mark.parametrize("issuer", [ELSEWHERE, "{here}/oauth"])
async def test_without_resource_metadata_another_issuer_is_refused(
    web: HTTPServer, tmp_path: Path, issuer: str
) -> None:
    serve(web, issuer.format(here=origin(web)))
    said = await asked(web, OAuthSettings(), tmp_path)
    assert "issuer mismatch" in said
    assert bodies(web, "/register") == []


async def test_without_resource_metadata_the_origin_is_the_issuer(
    web: HTTPServer, tmp_path: Path
) -> None:
    serve(web, origin(web))
    assert (await asked(web, OAuthSettings(), tmp_path)).startswith(f"shown {origin(web)}/auth")
    assert len(bodies(web, "/register")) == 1


async def test_a_secret_goes_to_its_own_issuer(web: HTTPServer, tmp_path: Path) -> None:
    serve(web, origin(web), named=origin(web))
    assert await asked(web, replace(MACHINE, issuer=origin(web)), tmp_path) == "200 hello"
    assert [body.split()[0] for body in bodies(web, "/token")] == ["ingle:s3cret"]


async def test_a_secret_goes_to_no_other_issuer(web: HTTPServer, tmp_path: Path) -> None:
    serve(web, origin(web), named=origin(web))
    said = await asked(web, replace(MACHINE, issuer=ELSEWHERE), tmp_path)
    assert "issuer mismatch" in said
    assert bodies(web, "/token") == []


async def test_a_given_client_signs_in_at_its_own_issuer(web: HTTPServer, tmp_path: Path) -> None:
    serve(web, origin(web), named=origin(web))
    given = OAuthSettings("ingle", "s3cret")
    assert "shown" in await asked(web, replace(given, issuer=origin(web)), tmp_path)
    said = await asked(web, replace(given, issuer=ELSEWHERE), tmp_path)
    assert said == f"it wants a sign-in at {origin(web)}, not at oauth.issuer"
    assert bodies(web, "/register") == []


async def test_a_secret_that_was_corrected_is_the_one_that_counts(tmp_path: Path) -> None:
    entry = HttpEntry("docs", "https://mcp.example.com/mcp", oauth=OAuthSettings("ingle", "old"))
    for secret in ("old", "new"):
        provider(replace(entry, oauth=OAuthSettings("ingle", secret)), tmp_path, None)
        known = await TokenFile(tmp_path, "docs", entry.url).get_client_info()
        assert known is not None
        assert known.client_secret == secret


def enterprise(web: HTTPServer, token: str, **others: str) -> OAuthSettings:
    """Settings for the fake; the file of the ID token is `token`."""
    idp = IdentityProvider(f"{origin(web)}/idp", "at-login", id_token_file=token)
    return OAuthSettings(
        "ingle", "s3cret", grant="identity_assertion", issuer=origin(web),
        idp=replace(idp, **others),
    )  # fmt: skip


async def test_an_identity_becomes_an_access_token(web: HTTPServer, tmp_path: Path) -> None:
    serve(web, origin(web), named=ELSEWHERE)
    answer = {"access_token": "j.a.g", "issued_token_type": ID_JAG, "token_type": "N_A"}
    web.expect_request("/idp").respond_with_json(answer)
    token = tmp_path / "id-token"
    token.write_text("i.d.t\n", "utf-8")
    oauth = replace(enterprise(web, str(token), client_secret="a+b"), scope="read")
    assert await asked(web, oauth, tmp_path) == "200 hello"
    [exchange] = bodies(web, "/idp")
    assert exchange.startswith("at-login:a%2Bb ")
    assert "subject_token=i.d.t&" in exchange
    assert exchange.endswith("&scope=read")
    assert "client_id" not in exchange
    [grant] = bodies(web, "/token")
    assert grant.startswith("ingle:s3cret ")
    assert "assertion=j.a.g&" in grant
    assert "i.d.t" not in grant


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("s3cret", "is no ID token (a JWT: three parts with dots between)"),
        ("-----BEGIN PRIVATE KEY-----\na.b.c\n", "is no ID token"),
        ("", "is no ID token"),
        (None, "there is no '"),
    ],
)
async def test_only_an_id_token_is_sent(
    web: HTTPServer, tmp_path: Path, content: str | None, said: str
) -> None:
    serve(web, origin(web))
    if content is not None:
        (tmp_path / "id-token").write_text(content, "utf-8")
    line = await asked(web, enterprise(web, str(tmp_path / "id-token")), tmp_path)
    assert said in line
    assert "s3cret" not in line
    assert bodies(web, "/idp") == []


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (
            400,
            '{"error": "invalid_grant", "error_description": "it has expired"}',
            "the identity provider refused the ID token: invalid_grant it has expired",
        ),
        (400, "no", "the identity provider's answer (HTTP 400) holds no ID-JAG"),
        (302, "", "the identity provider's answer (HTTP 302) holds no ID-JAG"),
        (
            200,
            '{"access_token": "x", "issued_token_type": "urn:ietf:params:oauth:token-type:jwt"}',
            "the identity provider's answer (HTTP 200) holds no ID-JAG",
        ),
    ],
)
async def test_an_identity_provider_that_refuses(
    web: HTTPServer, status: int, answer: str, said: str
) -> None:
    headers = {"location": "/elsewhere"}
    web.expect_request("/idp").respond_with_data(answer, status=status, headers=headers)
    idp = IdentityProvider(f"{origin(web)}/idp", "at-login", id_token="i.d.t")
    with pytest.raises(OAuthFlowError) as caught:
        await id_jag(idp, ELSEWHERE, "https://mcp.example.com/mcp")
    assert str(caught.value) == said
    assert len(web.log) == 1


async def test_an_identity_provider_that_is_not_there() -> None:
    idp = IdentityProvider("http://127.0.0.1:9/idp", "at-login", id_token="i.d.t")
    with pytest.raises(OAuthFlowError, match=r"the identity provider 127.0.0.1:9 gives no answer"):
        await id_jag(idp, ELSEWHERE, "https://mcp.example.com/mcp")
