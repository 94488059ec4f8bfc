"""The agent's own settings, where the workspace is a folder above them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.workspace import PathRefused, Workspace


@pytest.mark.parametrize(
    "path",
    [
        ".config/ingle/config.toml",
        ".config/ingle/permissions.toml",
        ".local/state/ingle/trust.json",
    ],
)
def test_settings_are_not_written_from_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path.parent / "elsewhere"))
    workspace = Workspace(tmp_path)
    assert workspace.resolve_for_writing(path) == tmp_path / path  # the attack, without the defence
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(PathRefused):
        workspace.resolve_for_writing(path)


@pytest.mark.parametrize("name", ["XDG_CONFIG_HOME", "XDG_STATE_HOME"])
def test_settings_are_not_written_where_variables_put_them_in_the_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path.parent / "elsewhere"))
    workspace = Workspace(tmp_path)
    path = "settings/ingle/config.toml"
    assert workspace.resolve_for_writing(path) == tmp_path / path  # the control
    monkeypatch.setenv(name, str(tmp_path / "settings"))
    with pytest.raises(PathRefused):
        workspace.resolve_for_writing(path)
