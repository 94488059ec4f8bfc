"""`agent mcp` with real servers: files, trust, processes, a sign-in on loopback."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from agent.cli.main import run
from tests.mcp_servers_used_in_tests.use import PLAIN, RAW
from tests.mcp_servers_used_in_tests.web import Desk, serving

AGENT = str(Path(sys.executable).with_name("agent"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, in which an empty project is the current folder."""
    for name in list(os.environ):
        if name.startswith(("XDG_", "INGLE_", "PYTHON")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    return tmp_path


def settings(home: Path) -> Path:
    return home / ".config/ingle/mcp.json"


def ask(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(["mcp", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def listed(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in listed_all(capsys)}


def listed_all(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    code, out, _ = ask(capsys, "list", "--json")
    assert code == 0
    rows: list[dict[str, Any]] = json.loads(out)["servers"]
    return rows


def test_add_list_get_test_remove(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(capsys, "add", "-e", "TOKEN=s3cret", "plain", sys.executable, PLAIN)[0] == 0
    assert stat.S_IMODE(settings(home).stat().st_mode) == 0o600
    entry = json.loads(settings(home).read_text())["mcpServers"]["plain"]
    assert entry == {"command": sys.executable, "args": [PLAIN], "env": {"TOKEN": "s3cret"}}
    assert listed(capsys)["plain"]["state"] == "approved"
    code, out, _ = ask(capsys, "test", "plain")
    assert (code, "7 tools, 1 resources, 1 prompts" in out) == (0, True)
    assert "add: Add two integers." in out
    assert "protocol 2026-07-28" in out
    code, out, _ = ask(capsys, "get", "plain")
    assert "s3cret" not in out
    assert '"TOKEN": "***"' in out
    assert ask(capsys, "remove", "plain")[0] == 0
    assert list(listed(capsys)) == ["code-search", "web"]


@pytest.mark.parametrize("word", ["disable", "remove"])
def test_a_built_in_server_is_switched_off_and_on(
    home: Path, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    assert listed(capsys)["web"]["source"] == "built in"
    assert listed(capsys)["web"]["state"] == "starts when it is used"
    assert ask(capsys, word, "web")[0] == 0
    assert listed(capsys)["web"]["state"] == "disabled"
    assert listed(capsys)["code-search"]["state"] == "starts when it is used"
    assert ask(capsys, "enable", "web")[0] == 0
    assert listed(capsys)["web"]["state"] == "starts when it is used"
    assert json.loads(settings(home).read_text())["mcpServers"] == {}
    code, _, err = ask(capsys, "test", "web")
    assert (code, "`agent mcp serve web` runs it alone" in err) == (2, True)


def test_a_server_of_ones_own_is_disabled(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask(capsys, "add", "plain", sys.executable, PLAIN)
    before = json.loads(settings(home).read_text())
    assert ask(capsys, "disable", "plain")[0] == 0
    assert listed(capsys)["plain"]["state"] == "disabled"
    assert ask(capsys, "enable", "plain")[0] == 0
    assert json.loads(settings(home).read_text()) == before


def test_names_of_ours_are_the_users_to_take_and_no_projects(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project_server(home, "good", name="web")
    rows = [row for row in listed_all(capsys) if row["name"] == "web"]
    assert [(row["source"], row["state"]) for row in rows] == [
        ("built in", "starts when it is used"),
        ("project", "unusable (there is another server of this name)"),
    ]
    ask(capsys, "add", "web", sys.executable, PLAIN)
    rows = [row for row in listed_all(capsys) if row["name"] == "web"]
    assert [row["source"] for row in rows] == ["user", "project"]


def test_options_of_the_server_are_its_own(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(capsys, "add", "x", "npx", "-y", "some-server", "--env", "prod", "-e")[0] == 0
    entry = json.loads(settings(home).read_text())["mcpServers"]["x"]
    assert entry == {"command": "npx", "args": ["-y", "some-server", "--env", "prod", "-e"]}


def test_other_settings_of_the_file_stay(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings(home).parent.mkdir(parents=True)
    settings(home).write_text('{"more": 1, "mcpServers": {"old": {"command": "x"}}}')
    assert ask(capsys, "add", "new", "https://example.com/mcp", "-H")[0] == 2
    assert ask(capsys, "add", "-H", "X-Key: ${KEY}", "new", "https://example.com/mcp")[0] == 0
    whole = json.loads(settings(home).read_text())
    assert whole["more"] == 1
    assert whole["mcpServers"] == {
        "old": {"command": "x"},
        "new": {"url": "https://example.com/mcp", "headers": {"X-Key": "${KEY}"}},
    }


@pytest.mark.parametrize("name", ["a__b", "a_", "-a", "a b", "x" * 32, "../x"])
def test_names_that_cannot_be(home: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    code, _, err = ask(capsys, "add", "--", name, "x")
    assert (code, "a name has letters, digits" in err) == (52, True)
    assert not settings(home).exists()


@pytest.mark.usefixtures("home")
def test_a_server_that_fails_is_told_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    ask(capsys, "add", "bad", sys.executable, RAW, "exit")
    code, _, err = ask(capsys, "test", "bad")
    assert code == 1
    assert len(err.splitlines()) == 1
    assert "the database is locked" in err
    assert "`agent mcp log bad` may say more" in err
    code, out, _ = ask(capsys, "log", "bad")
    assert "the database is locked" in out
    assert ask(capsys, "test", "none")[0] == 2


def project_server(home: Path, *arguments: str, name: str = "theirs") -> Path:
    path = home / "project/.mcp.json"
    entry = {"command": sys.executable, "args": [RAW, *arguments]}
    path.write_text(json.dumps({"mcpServers": {name: entry}}))
    return path


def test_a_project_server_starts_only_after_approval(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mark = home / "was-started"
    project_server(home, "exit-once", str(mark))
    assert listed(capsys)["theirs"]["state"] == "not approved"
    code, _, err = ask(capsys, "test", "theirs")
    assert (code, "is not approved" in err) == (77, True)
    assert ask(capsys, "approve", "theirs")[0] == 2, "nobody is there to ask"
    assert not mark.exists(), "it was not started for any of this"
    mark.touch()
    code, out, _ = ask(capsys, "approve", "theirs", "--yes")
    assert (code, "approved with 2 tools" in out) == (0, True)
    assert listed(capsys)["theirs"] == {
        **listed(capsys)["theirs"], "state": "approved", "tools": 2,
    }  # fmt: skip
    assert ask(capsys, "test", "theirs")[0] == 0


@pytest.mark.parametrize("change", ["command", "args", "env", "cwd", "network", "elsewhere"])
def test_another_entry_is_another_approval(
    home: Path, capsys: pytest.CaptureFixture[str], change: str
) -> None:
    path = project_server(home, "good")
    assert ask(capsys, "approve", "theirs", "--yes")[0] == 0
    whole = json.loads(path.read_text())
    entry = whole["mcpServers"]["theirs"]
    others = {
        "command": "python3", "args": [RAW, "old"], "env": {"A": "b"}, "cwd": "..",
        "network": False,
    }  # fmt: skip
    if change == "elsewhere":
        other = home / "copy"
        other.mkdir()
        (other / ".mcp.json").write_text(path.read_text())
        os.chdir(other)
    else:
        entry[change] = others[change]
        path.write_text(json.dumps(whole))
    assert listed(capsys)["theirs"]["state"] == "not approved"


def test_a_project_cannot_take_a_name_of_the_user(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(capsys, "add", "mine", sys.executable, RAW, "good")
    project_server(home, "exit", name="Mine")
    rows = listed(capsys)
    assert rows["mine"]["state"] == "approved"
    assert rows["Mine"]["state"] == "unusable (there is another server of this name)"
    assert ask(capsys, "approve", "Mine", "--yes")[0] == 52


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not valid JSON at line 1"),
        ('{"mcpServers": 5}', "mcpServers has to be an object"),
        ('{"mcpServers": {"x": {}}}', "it needs either a command or a url"),
        ('{"mcpServers": {"x": {"command": ["a"]}}}', "command has to be a string"),
        ('{"mcpServers": {"x": {"url": "file:///x"}}}', "a url begins with http"),
        ('{"mcpServers": {"x": {"command": "a", "env": {"A": 1}}}}', "env has to be an object"),
        ('{"mcpServers": {"x": {"type": "sse", "url": "http://x"}}}', "is gone from MCP"),
    ],
)
def test_a_broken_project_file_is_one_line_in_the_list(
    home: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    (home / "project/.mcp.json").write_text(text)
    code, out, _ = ask(capsys, "list")
    assert code == 0
    assert said in out


def test_a_broken_file_of_the_user_is_an_error(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings(home).parent.mkdir(parents=True)
    settings(home).write_text("{")
    code, _, err = ask(capsys, "list")
    assert (code, "not valid JSON at line 1, column 2" in err) == (52, True)
    assert ask(capsys, "add", "x", "y")[0] == 52
    assert settings(home).read_text() == "{", "what cannot be read is not replaced"


@pytest.mark.usefixtures("home")
def test_only_named_variables_are_filled_in(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODE", "good")
    ask(capsys, "add", "named", sys.executable, RAW, "${MODE}")
    ask(capsys, "add", "unset", sys.executable, RAW, "${NO_SUCH_VARIABLE}")
    ask(capsys, "add", "default", sys.executable, RAW, "${NO_SUCH_VARIABLE:-good}")
    ask(capsys, "add", "shell", sys.executable, RAW, "$MODE")
    assert ask(capsys, "test", "named")[0] == 0
    assert ask(capsys, "test", "default")[0] == 0
    code, _, err = ask(capsys, "test", "unset")
    assert (code, "the variable NO_SUCH_VARIABLE is not set" in err) == (52, True)
    _, out, _ = ask(capsys, "get", "named")
    assert "reads the variables MODE" in out
    assert ask(capsys, "get", "shell")[1].count("reads the variables") == 0


def sign_in() -> subprocess.CompletedProcess[str]:
    """`agent mcp auth web` with a browser that says yes."""
    with subprocess.Popen(
        [AGENT, "mcp", "auth", "web"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        line = ""
        for line in process.stderr:
            if found := re.search(r"http://\S+", line):
                answer = httpx2.get(found[0], follow_redirects=True)
                assert "You are signed in" in answer.text
                break
        out, err = process.communicate()
        return subprocess.CompletedProcess([], process.returncode, out, line + err)


def test_signing_in(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    desk = Desk()
    with serving(desk) as url:
        ask(capsys, "add", "web", url)
        code, _, err = ask(capsys, "test", "web")
        assert (code, "it wants you to sign in: run `agent mcp auth web`" in err) == (1, True)
        done = sign_in()
        assert (done.returncode, done.stdout) == (0, "signed in; 1 tools\n")
        [file] = (home / ".local/state/ingle/mcp/auth").iterdir()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert ask(capsys, "test", "web")[0] == 0
        # Expired, and in another process: it is renewed with no one to ask.
        kept = json.loads(file.read_text())
        file.write_text(json.dumps({**kept, "expires": time.time() - 1}))
        desk.access.clear()
        assert ask(capsys, "test", "web")[0] == 0
        assert desk.refreshed == 1
        # Revoked altogether: a person has to sign in again, with the same registration.
        desk.access.clear()
        desk.refresh.clear()
        file.write_text(json.dumps({**json.loads(file.read_text()), "expires": 1}))
        code, _, err = ask(capsys, "test", "web")
        assert (code, "agent mcp auth web" in err) == (1, True)
        assert sign_in().returncode == 0
        assert len(desk.clients) == 1
        assert ask(capsys, "auth", "web", "--remove")[:2] == (0, "the tokens are removed\n")
        assert ask(capsys, "test", "web")[0] == 1


@pytest.mark.usefixtures("home")
def test_a_token_goes_to_its_own_address_only(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Desk()) as url:
        ask(capsys, "add", "web", url)
        assert sign_in().returncode == 0
    other = Desk()
    with serving(other) as url:
        ask(capsys, "add", "web", url)
        code, _, err = ask(capsys, "test", "web")
        assert (code, "agent mcp auth web" in err) == (1, True)


@pytest.mark.usefixtures("home")
def test_an_open_server_over_http(capsys: pytest.CaptureFixture[str]) -> None:
    with serving() as url:
        ask(capsys, "add", "web", url)
        assert ask(capsys, "test", "web")[0] == 0
        ask(capsys, "add", "wrong", url.replace("/mcp", "/nothing"))
        code, _, err = ask(capsys, "test", "wrong")
        assert (code, len(err.splitlines())) == (1, 1)
    capsys.readouterr()  # what the server said when it ended
    code, _, err = ask(capsys, "test", "web")
    assert (code, len(err.splitlines())) == (1, 1)
    assert "nothing answers at its address" in err


@pytest.mark.usefixtures("home")
def test_only_addresses_are_signed_in_to(capsys: pytest.CaptureFixture[str]) -> None:
    ask(capsys, "add", "plain", sys.executable, PLAIN)
    code, _, err = ask(capsys, "auth", "plain")
    assert (code, "only servers with a URL want a sign-in" in err) == (2, True)
