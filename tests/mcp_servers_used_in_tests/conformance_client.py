"""Our client as the official conformance tests drive it: `conformance_client.py URL`.

The scenario is in MCP_CONFORMANCE_SCENARIO, what it hands over in MCP_CONFORMANCE_CONTEXT.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import mcp_types
from mcp.shared.auth import AuthorizationCodeResult

from agent.mcp.connect import run_tool
from tests.mcp_servers_used_in_tests.use import context
from tools.mcp.connection import Connection, Hooks
from tools.mcp.entry import HttpEntry, IdentityProvider, OAuthSettings
from tools.mcp.http import http_transport
from tools.mcp.log import ServerLog
from tools.mcp.oauth import Person

METADATA_URL = "https://conformance-test.local/client-metadata.json"


def person() -> Person:
    """Allows everything: follows the address of the sign-in, and reads the code out of it."""
    brought: list[AuthorizationCodeResult] = []

    async def show(url: str) -> None:
        async with httpx2.AsyncClient() as client:
            answer = await client.get(url)
        query = parse_qs(urlsplit(answer.headers["location"]).query)
        first = {key: values[0] for key, values in query.items()}
        brought.append(
            AuthorizationCodeResult(
                code=first["code"], state=first.get("state"), iss=first.get("iss")
            )
        )

    async def wait() -> AuthorizationCodeResult:
        return brought.pop()

    return Person("http://127.0.0.1:8931/callback", show, wait)


async def issuer_of(url: str) -> str:
    """What an administrator knows and the scenario does not hand over: the authorization server."""
    parts = urlsplit(url)
    path = f"/.well-known/oauth-protected-resource{parts.path}"
    async with httpx2.AsyncClient() as client:
        answer = await client.get(f"{parts.scheme}://{parts.netloc}{path}")
    return str(answer.json()["authorization_servers"][0])


async def settings(scenario: str, given: dict[str, Any], folder: Path, url: str) -> OAuthSettings:
    if scenario == "auth/basic-cimd":
        return OAuthSettings(metadata_url=METADATA_URL)
    if "client_id" not in given:
        return OAuthSettings()
    if "idp_id_token" in given:
        token = folder / "id-token"
        token.write_text(given["idp_id_token"], "utf-8")
        return OAuthSettings(
            given["client_id"], given["client_secret"], grant="identity_assertion",
            issuer=await issuer_of(url),
            idp=IdentityProvider(
                given["idp_token_endpoint"], given["idp_client_id"], id_token_file=str(token)
            ),
        )  # fmt: skip
    key = folder / "key.pem"
    if "private_key_pem" in given:
        key.write_text(given["private_key_pem"], "utf-8")
        return OAuthSettings(
            given["client_id"], grant="client_credentials", private_key=str(key),
            algorithm=given.get("signing_algorithm", "RS256"),
        )  # fmt: skip
    grant = "client_credentials" if "client-credentials" in scenario else "authorization_code"
    return OAuthSettings(
        given["client_id"], given.get("client_secret", ""), grant=grant,
        issuer=given.get("issuer", ""),
    )  # fmt: skip


async def accept(_server: str, _message: str, _schema: dict[str, Any]) -> dict[str, Any]:
    return {}  # what the form proposes


def calls(tools: Sequence[mcp_types.Tool], given: dict[str, Any]) -> list[tuple[str, Any]]:
    """The calls that the scenario hands over, or one of each tool."""
    if "toolCalls" in given:
        return [(call["name"], call["arguments"]) for call in given["toolCalls"]]
    wanted = {
        "add_numbers": {"a": 5, "b": 3},
        "json_schema_echo": {"schema": tools[0].input_schema if tools else {}},
    }
    return [(tool.name, wanted.get(tool.name, {})) for tool in tools]


async def main(url: str) -> None:
    scenario = os.environ.get("MCP_CONFORMANCE_SCENARIO", "")
    given = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
    with tempfile.TemporaryDirectory() as folder:
        oauth = await settings(scenario, given, Path(folder), url)
        entry = HttpEntry("conformance", url, oauth=oauth, start_s=20, call_s=20)
        made = Connection(
            entry,
            lambda _end: http_transport(entry, Path(folder), person()),
            ServerLog(None),
            Hooks(elicit=accept),
        )
        try:
            await made.ready()
            for name, arguments in calls(made.tools, given):
                # As the agent does it: a call that fails is a text, and does not end the session.
                result = await run_tool(
                    made, name, arguments, context(Path(folder)),
                    blocked=lambda: "", progress=lambda *_: None,
                )  # fmt: skip
                print(f"{name}: {result.text}")
        finally:
            await made.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[-1]))
