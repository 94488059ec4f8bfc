"""Our client against the servers of others, and against the official conformance tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.mcp.connect import run_tool
from tests.mcp_servers_used_in_tests import foreign
from tests.mcp_servers_used_in_tests.conformance_server import NAMES, serving_ours
from tests.mcp_servers_used_in_tests.use import around, context, using
from tools.mcp.connection import Connection
from tools.mcp.entry import StdioEntry

ROOT = Path(__file__).parent.parent.parent
CLIENT = "tests/mcp_servers_used_in_tests/conformance_client.py"
# Scenarios of 2025-11-25 and of 2026-07-28, which differ on the wire: each is run under both.
OF_BOTH = (
    "tools_call",
    "json-schema-2020-12-preservation",
    "auth/metadata-default",
    "auth/metadata-var1",
    "auth/metadata-var2",
    "auth/metadata-var3",
    "auth/basic-cimd",
    "auth/scope-from-www-authenticate",
    "auth/scope-from-scopes-supported",
    "auth/scope-omitted-when-undefined",
    "auth/scope-step-up",
    "auth/scope-retry-limit",
    "auth/token-endpoint-auth-basic",
    "auth/token-endpoint-auth-post",
    "auth/token-endpoint-auth-none",
    "auth/pre-registration",
)
OF_ONE = (
    "initialize",
    "elicitation-sep1034-client-defaults",
    "sse-retry",
    "auth/2025-03-26-oauth-metadata-backcompat",
    "auth/2025-03-26-oauth-endpoint-fallback",
    "request-metadata",
    "sep-2322-client-request-state",
    "http-standard-headers",
    "http-custom-headers",
    "http-invalid-tool-headers",
    "json-schema-ref-no-deref",
    "auth/resource-mismatch",
    "auth/offline-access-scope",
    "auth/offline-access-not-supported",
    "auth/authorization-server-migration",
    "auth/iss-supported",
    "auth/iss-not-advertised",
    "auth/iss-supported-missing",
    "auth/iss-wrong-issuer",
    "auth/iss-unexpected",
    "auth/iss-normalized",
    "auth/metadata-issuer-mismatch",
    "auth/client-credentials-basic",
    "auth/client-credentials-jwt",
    "auth/enterprise-managed-authorization",
)
# Extensions; docs/mcp.md says which.
FAILING = (
    "auth/dpop",
    "auth/dpop-nonce",
    "auth/wif-jwt-bearer",
)
# Extensions that a client need not have: the scenario checks nothing, and says that it passed.
EMPTY = (
    "sep-2640-client-no-prefetch",
    "sep-2640-client-verify-digest",
    "sep-2640-client-verify-size",
    "sep-2640-client-verify-frontmatter",
)
LATEST = "2026-07-28"
RUNS = [(scenario, "") for scenario in (*OF_BOTH, *OF_ONE, *FAILING, *EMPTY)] + [
    (scenario, LATEST) for scenario in OF_BOTH
]

# Of the server scenarios: what is about any server. The others call tools, resources and prompts of
# a server that is made for them; docs/mcp.md says which.
SERVER_PASSING = {
    "server-initialize",
    "server-session-lifecycle",
    "ping",
    "tools-list",
    "resources-list",
    "prompts-list",
    "server-sse-multiple-streams",
    "dns-rebinding-protection",
    "caching",
    "http-header-validation",
    "sep-2164-resource-not-found",
    # These only want an answer, and "there is no such tool" is one.
    "tools-call-simple-text",
    "tools-call-error",
    "input-required-result-missing-input-response",
    "input-required-result-unsupported-methods",
    "input-required-result-ignore-extra-params",
    "input-required-result-validate-input",
    # These are about extensions that a server need not have.
    "sep-2640-skills-directory",
    "sep-2640-skills-enumeration",
    "sep-2640-skills-manifest",
    "tasks-status-notifications",
}
# Two of its checks want a tool that only a test server has.
STATELESS = "server-stateless: 26 passed, 2 failed"


@pytest.fixture(scope="module")
def packages() -> Path | None:
    return foreign.installed()


async def run(made: Connection, base: Path, tool: str, **arguments: Any) -> Any:
    return await run_tool(made, tool, arguments, context(base), blocked=lambda: "",
                          progress=lambda *_: None)  # fmt: skip


async def test_server_everything(packages: Path | None, tmp_path: Path) -> None:
    if packages is None:
        return
    told: list[Any] = []

    async def elicit(_server: str, _message: str, schema: dict[str, Any]) -> dict[str, Any]:
        return {"name": "Ada"} if "name" in schema["properties"] else {}

    entry = StdioEntry("everything", "node", (foreign.server(packages, "everything"),))
    async with using(entry, around(tmp_path, elicit=elicit)) as made:
        assert "Echo: hi" in (await run(made, tmp_path, "echo", message="hi")).text
        assert "[image png" in (await run(made, tmp_path, "get-tiny-image")).text
        found = await run(made, tmp_path, "get-structured-content", location="Chicago")
        assert '"temperature"' in found.text
        text = (await run(made, tmp_path, "get-resource-links", count=2)).text
        assert text.count("[resource demo://") == 2
        result = await run_tool(
            made, "trigger-long-running-operation", {"duration": 0.05, "steps": 2},
            context(tmp_path), blocked=lambda: "", progress=lambda *step: told.append(step[1:3]),
        )  # fmt: skip
        assert (result.ok, told) == (True, [(1, 2), (2, 2)])
        assert "Ada" in (await run(made, tmp_path, "trigger-elicitation-request")).text
        assert len(await made.resources()) > 5
        assert "simple-prompt" in [prompt.name for prompt in await made.prompts()]
        wrong = await run(made, tmp_path, "get-sum", a="x", b=1)
        assert not wrong.ok


async def test_server_filesystem(packages: Path | None, tmp_path: Path) -> None:
    if packages is None:
        return
    (tmp_path / "a.txt").write_text("hello")
    script = foreign.server(packages, "filesystem")
    entry = StdioEntry("files", "node", (script, str(tmp_path)))
    async with using(entry, around(tmp_path)) as made:
        path = str(tmp_path / "a.txt")
        assert (await run(made, tmp_path, "read_text_file", path=path)).text == "hello"
        outside = await run(made, tmp_path, "read_text_file", path="/etc/passwd")
        assert (outside.ok, "Access denied" in outside.text) == (False, True)


async def test_server_memory(packages: Path | None, tmp_path: Path) -> None:
    if packages is None:
        return
    variables = {"MEMORY_FILE_PATH": str(tmp_path / "memory.jsonl")}
    entry = StdioEntry("memory", "node", (foreign.server(packages, "memory"),), variables)
    ada = {"name": "Ada", "entityType": "person", "observations": ["writes programs"]}
    async with using(entry, around(tmp_path)) as made:
        assert (await run(made, tmp_path, "create_entities", entities=[ada])).ok
    async with using(entry, around(tmp_path)) as made:
        found = await run(made, tmp_path, "search_nodes", query="programs")
        assert found.text.count("writes programs") == 1


@pytest.mark.parametrize(("scenario", "version"), RUNS)
def test_conformance(packages: Path | None, scenario: str, version: str, tmp_path: Path) -> None:
    if packages is None:
        return
    command = ["client", "--command", f"{sys.executable} {CLIENT}", "--scenario", scenario]
    wire = ["--spec-version", version] if version else []
    done = subprocess.run(
        [*foreign.conformance(packages), *command, *wire],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": ".", "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True, text=True,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert ("OVERALL: PASSED" in said) == (scenario not in FAILING), said[-4000:]
    assert ("Passed: 0/0" in said) == (scenario in EMPTY), said[-4000:]


@pytest.mark.parametrize("version", ["", LATEST])
@pytest.mark.parametrize("name", NAMES)
def test_conformance_of_our_servers(
    packages: Path | None, name: str, version: str, tmp_path: Path
) -> None:
    if packages is None:
        return
    wire = ["--spec-version", version] if version else []
    with serving_ours(name, tmp_path) as url:
        command = [*foreign.conformance(packages), "server", "--url", url, "--suite", "all", *wire]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    said = done.stdout.partition("=== SUMMARY ===")[2]
    lines = [line.split() for line in said.splitlines() if line[:1] in ("✓", "✗")]
    passed = {name.rstrip(":") for mark, name, *_ in lines if mark == "✓"}
    expected = SERVER_PASSING & {name.rstrip(":") for _, name, *_ in lines}
    assert passed == (expected if version else SERVER_PASSING), said
    assert STATELESS in said


def test_all_client_scenarios_are_listed(packages: Path | None) -> None:
    if packages is None:
        return
    done = subprocess.run(
        [*foreign.conformance(packages), "list"], capture_output=True, text=True, check=True
    )
    behind = done.stdout.partition("Client scenarios")[2].partition("\n\n")[0]
    lines = [line for line in behind.splitlines() if line.startswith("  - ")]
    known = [*OF_BOTH, *OF_ONE, *FAILING, *EMPTY]
    assert sorted(line.split()[1] for line in lines) == sorted(known)
    both = {line.split()[1] for line in lines if "2025-11-25" in line and LATEST in line}
    assert both == set(OF_BOTH)
