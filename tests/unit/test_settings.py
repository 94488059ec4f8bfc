"""Settings: four sources, the strictest wins against a project, clear lines for what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.config import Folders
from agent.errors import ConfigError
from agent.policy import Decision
from agent.settings import Loaded, load_settings

Load = Callable[..., Loaded]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load from texts: the user's file, the project's, variables and flags."""

    def loading(
        user: str = "", project: str = "", environment: dict[str, str] | None = None, **flags: Any
    ) -> Loaded:
        config, root = tmp_path / "config", tmp_path / "project"
        (root / ".ingle").mkdir(parents=True, exist_ok=True)
        config.mkdir(exist_ok=True)
        (config / "config.toml").write_text(user, "utf-8")
        if project:
            (root / ".ingle/config.toml").write_text(project, "utf-8")
        folders = Folders(config, tmp_path / "cache", tmp_path / "state", tmp_path / "models")
        return load_settings(folders, root, environment or {}, flags)

    return loading


def test_without_any_file(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "a", tmp_path, tmp_path, tmp_path)
    loaded = load_settings(folders, tmp_path, {})
    assert loaded.settings.permissions.approval == "auto"
    assert loaded.settings.sandbox.mode == "workspace"
    assert (loaded.rules, loaded.check, loaded.notices) == ((), "", ())


def test_later_wins(load: Load) -> None:
    user = "[model]\nname = 'a'\nctx = 1024\n[sandbox]\nmode = 'off'\n"
    environment = {"INGLE_MODEL": "b", "INGLE_CTX": "2048", "INGLE_SANDBOX": "workspace"}
    assert load(user).settings.model.name == "a"
    assert load(user).settings.sandbox.mode == "off"
    settings = load(user, "", environment).settings
    assert (settings.model.name, settings.model.ctx) == ("b", 2048)
    assert settings.sandbox.mode == "workspace"
    settings = load(user, "", environment, model={"ctx": 4096}, sandbox={"mode": None}).settings
    assert (settings.model.name, settings.model.ctx) == ("b", 4096)
    assert settings.sandbox.mode == "workspace"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[permissions]\naproval = 'ask'",
         "there is no setting permissions.aproval; did you mean approval?"),
        ("[premissions]\n", "there is no setting premissions; did you mean permissions?"),
        ("zzz = 1", "there is no setting zzz; there are hooks, model"),
        ("[permissions]\napproval = 'yes'",
         "permissions.approval: Input should be 'ask', 'auto' or 'never'"),
        ("[model]\nctx = '4096'", "model.ctx: Input should be a valid integer"),
        ("[model]\nctx = 1", "model.ctx: Input should be greater than or equal to 512"),
        ("[permissions]\ndeny = ['a b']", "permissions.deny: 'a b' is no rule"),
        ("[permissions]\ndeny = 'shell'", "permissions.deny: Input should be a valid list"),
        ("model = 1", "model: Input should be a valid dictionary"),
        ("[model", "is no TOML"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_with_file_and_key(load: Load, text: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert line in str(caught.value)
    assert str(caught.value).startswith("/") and "config.toml" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 52


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ({"INGLE_CTX": "many"}, "INGLE_CTX: 'many' is no number"),
        ({"INGLE_APPROVAL": "yes"}, "INGLE_APPROVAL: Input should be 'ask', 'auto' or 'never'"),
        ({"INGLE_SANDBOX": "of"},
         "INGLE_SANDBOX: Input should be 'read-only', 'workspace' or 'off'"),
    ],
)  # fmt: skip
def test_a_wrong_variable_is_named(load: Load, environment: dict[str, str], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load("", "", environment)
    assert line in str(caught.value)


@pytest.mark.parametrize(
    ("user", "project", "expected"),
    [
        ("workspace", "read-only", "read-only"), ("off", "read-only", "read-only"),
        ("off", "workspace", "workspace"), ("workspace", "off", "workspace"),
        ("read-only", "workspace", "read-only"), ("read-only", "off", "read-only"),
    ],
)  # fmt: skip
def test_a_project_tightens_the_sandbox(load: Load, user: str, project: str, expected: str) -> None:
    loaded = load(f"[sandbox]\nmode = '{user}'", f"[sandbox]\nmode = '{project}'")
    assert loaded.settings.sandbox.mode == expected
    assert bool(loaded.notices) is (expected != project)
    flagged = load("", f"[sandbox]\nmode = '{project}'", sandbox={"mode": user})
    assert flagged.settings.sandbox.mode == expected


@pytest.mark.parametrize(
    ("user", "project", "expected"),
    [("auto", "ask", "ask"), ("auto", "never", "never"), ("ask", "auto", "ask"),
     ("never", "auto", "never"), ("ask", "never", "ask"), ("never", "ask", "never")],
)  # fmt: skip
def test_a_project_tightens_the_approval(
    load: Load, user: str, project: str, expected: str
) -> None:
    loaded = load(f"[permissions]\napproval = '{user}'", f"[permissions]\napproval = '{project}'")
    assert loaded.settings.permissions.approval == expected
    assert bool(loaded.notices) is (expected != project)


def test_rules_of_both_and_of_answers_come_together(load: Load, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/permissions.toml").write_text('allow = ["mail__send"]')
    loaded = load(
        "[permissions]\nallow = ['shell(make *)']\ndeny = ['shell(rm)']",
        "[permissions]\ndeny = ['edit(vendor)']\nask = ['shell']",
    )
    assert {(rule.decision, rule.text) for rule in loaded.rules} == {
        (Decision.ALLOW, "shell(make *)"), (Decision.ALLOW, "mail__send"),
        (Decision.DENY, "shell(rm)"), (Decision.DENY, "edit(vendor)"), (Decision.ASK, "shell"),
    }  # fmt: skip
    policy = loaded.policy(trusted=False, can_ask=True)
    assert (policy.sandbox, policy.approval, policy.rules) == ("workspace", "auto", loaded.rules)


def test_a_projects_check_is_kept_apart(load: Load) -> None:
    assert load("", "check = 'make test'").check == "make test"


def test_prices_and_the_rest_have_their_sections(load: Load) -> None:
    loaded = load("[prices]\ninput = 3.0\noutput = 15.0\n[ui]\ntheme = 'dark'\nediting = 'vi'")
    assert (loaded.settings.prices.input, loaded.settings.prices.currency) == (3.0, "USD")
    assert loaded.settings.ui.editing == "vi"
