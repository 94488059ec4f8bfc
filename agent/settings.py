"""Settings: the user's file, the project's file, the environment, the command line.

Later wins, but a project's file can only make things stricter: it comes with a repository that
somebody else wrote. What it says beyond that is left out, with a word. `.env` is never read.

======================  ==========================================================================
``config.toml``         in the user's settings folder; every section below
``.ingle/config.toml``  in the workspace; `permissions.approval`, `.ask`, `.deny`, `sandbox.mode`,
                        and `check`, which is used when the folder is trusted
======================  ==========================================================================

A section is one model below; to add a setting add a field, and where it has a variable a line in
:data:`VARIABLES`.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from agent.config import Folders
from agent.errors import ConfigError
from agent.policy import Approval, Decision, Policy, Rule, SandboxMode, parse_rule
from agent.policy.grants import load as load_grants
from agent.policy.trust import read_regular

USER_FILE = "config.toml"
PROJECT_FILE = ".ingle/config.toml"
MOST_BYTES = 200_000
# Less strict ones first. A project may move to the right.
SANDBOXES: tuple[SandboxMode, ...] = ("off", "workspace", "read-only")


def _rule(text: str) -> str:
    parse_rule(text, Decision.ASK)
    return text


M = TypeVar("M", bound=BaseModel)
RuleText = Annotated[str, AfterValidator(_rule)]


class Section(BaseModel):
    """Base of the sections: an unknown key is an error, and values do not change their type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ModelSection(Section):
    """`name` as `-m` takes it; `ctx` in tokens."""

    name: str | None = None
    ctx: Annotated[int, Field(ge=512)] | None = None
    kv_type: Literal["auto", "f16", "q8_0"] | None = None
    gpu_layers: Annotated[int, Field(ge=-1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None


class PermissionsSection(Section):
    approval: Approval = "auto"
    allow: list[RuleText] = []
    ask: list[RuleText] = []
    deny: list[RuleText] = []


class SandboxSection(Section):
    mode: SandboxMode = "workspace"


class UiSection(Section):
    """`theme` is a name or a file, `editing` the keys of the input line."""

    theme: str = ""
    editing: Literal["emacs", "vi"] = "emacs"
    plain: bool = False


class PricesSection(Section):
    """What the same tokens would cost elsewhere: `currency` for a million tokens."""

    currency: str = "USD"
    input: Annotated[float, Field(ge=0)] = 0.0
    cached: Annotated[float, Field(ge=0)] = 0.0
    output: Annotated[float, Field(ge=0)] = 0.0


class HooksSection(Section):
    """Commands before and after a call and at the end of a turn."""

    before_tool: list[str] = []
    after_tool: list[str] = []
    turn_end: list[str] = []


class WebSection(Section):
    """`search`: the web may be searched; `fetch`: pages may be read."""

    search: bool = False
    fetch: bool = False


class Settings(Section):
    """All of it, merged; every field has a default."""

    model: ModelSection = ModelSection()
    permissions: PermissionsSection = PermissionsSection()
    sandbox: SandboxSection = SandboxSection()
    ui: UiSection = UiSection()
    prices: PricesSection = PricesSection()
    hooks: HooksSection = HooksSection()
    web: WebSection = WebSection()


class ProjectPermissions(Section):
    approval: Approval | None = None
    ask: list[RuleText] = []
    deny: list[RuleText] = []


class ProjectSandbox(Section):
    mode: SandboxMode | None = None


class Project(Section):
    """What a project's file may say; `check` is a command that has to pass."""

    check: str = ""
    permissions: ProjectPermissions = ProjectPermissions()
    sandbox: ProjectSandbox = ProjectSandbox()


# Each variable, the setting that it is, and how its text is read.
VARIABLES: dict[str, tuple[str, str, type]] = {
    "INGLE_APPROVAL": ("permissions", "approval", str),
    "INGLE_CTX": ("model", "ctx", int),
    "INGLE_GPU_LAYERS": ("model", "gpu_layers", int),
    "INGLE_KV_TYPE": ("model", "kv_type", str),
    "INGLE_MODEL": ("model", "name", str),
    "INGLE_SANDBOX": ("sandbox", "mode", str),
    "INGLE_TEMPERATURE": ("model", "temperature", float),
    "INGLE_THEME": ("ui", "theme", str),
}


@dataclass(frozen=True)
class Loaded:
    """The settings of one run. `check` is the project's, `rules` are everybody's.

    `notices` say what of the project's file was left out, and why.
    """

    settings: Settings
    rules: tuple[Rule, ...] = ()
    check: str = ""
    notices: tuple[str, ...] = ()

    def policy(self, *, trusted: bool, can_ask: bool) -> Policy:
        return Policy(
            self.settings.sandbox.mode, self.settings.permissions.approval, self.rules,
            trusted, can_ask,
        )  # fmt: skip


def load_settings(
    folders: Folders,
    root: Path,
    environment: Mapping[str, str],
    flags: Mapping[str, Mapping[str, Any]] | None = None,
) -> Loaded:
    """Read and merge all settings. `flags` are sections of keys; None as a value says nothing.

    Raises:
        ConfigError: a file or a variable is unusable, or has a key or a value that it may not have.
    """
    user_file = folders.config / USER_FILE
    data = _read_user(user_file)
    _check(Settings, data, str(user_file))
    for name, (section, key, kind) in VARIABLES.items():
        if text := environment.get(name, ""):
            value = _variable(name, text, kind)
            _check(Settings, {section: {key: value}}, name, bare=True)
            data.setdefault(section, {})[key] = value
    for section, values in (flags or {}).items():
        given = {key: value for key, value in values.items() if value is not None}
        data.setdefault(section, {}).update(given)
    settings = _check(Settings, data, "the command line")
    project, notices = _project(root)
    settings, more = _tighten(settings, project)
    rules = (
        *_rules(settings.permissions, project.permissions),
        *load_grants(folders.config),
    )
    return Loaded(settings, rules, project.check, (*notices, *more))


def _read_user(path: Path) -> dict[str, Any]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    return _parse(data, str(path))


def _parse(data: bytes, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name} is no UTF-8 text") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{name} is no TOML: {error}") from error


def _variable(name: str, text: str, kind: type) -> Any:
    try:
        return kind(text)
    except ValueError as error:
        raise ConfigError(f"{name}: {text!r} is no number") from error


def _project(root: Path) -> tuple[Project, list[str]]:
    """The project's file without what it may not say, and a word about each such key."""
    path = root / PROJECT_FILE
    if not path.is_symlink() and not path.exists():
        return Project(), []
    data = read_regular(root, PROJECT_FILE, MOST_BYTES)
    if data is None:
        raise ConfigError(
            f"{path} is not read: it is a link, no regular file, or too large; remove it"
        )
    table = _parse(data, str(path))
    notices = []
    for name in list(table):
        known = Settings.model_fields.get(name)
        if name not in Project.model_fields and known is not None:
            del table[name]
            notices.append(f"{PROJECT_FILE} may not set {name}: left out")
        elif isinstance(table[name], dict) and name == "permissions" and "allow" in table[name]:
            del table[name]["allow"]
            notices.append(f"{PROJECT_FILE} may not allow anything: permissions.allow is left out")
    return _check(Project, table, str(path)), notices


def _tighten(settings: Settings, project: Project) -> tuple[Settings, list[str]]:
    """The stricter of what the user and the project say."""
    notices = []
    mode, wanted = settings.sandbox.mode, project.sandbox.mode
    if wanted is not None and wanted != mode:
        if SANDBOXES.index(wanted) > SANDBOXES.index(mode):
            mode = wanted
        else:
            notices.append(f"{PROJECT_FILE} may not loosen sandbox.mode to {wanted}: left out")
    approval, asked = settings.permissions.approval, project.permissions.approval
    if asked is not None and asked != approval:
        # 'ask' and 'never' each forbid what the other allows: the user's choice stands.
        if approval == "auto":
            approval = asked
        else:
            notices.append(
                f"{PROJECT_FILE} may not loosen permissions.approval to {asked}: left out"
            )
    permissions = settings.permissions.model_copy(update={"approval": approval})
    sandbox = settings.sandbox.model_copy(update={"mode": mode})
    return settings.model_copy(update={"permissions": permissions, "sandbox": sandbox}), notices


def _rules(user: PermissionsSection, project: ProjectPermissions) -> list[Rule]:
    lists = [
        (Decision.DENY, [*user.deny, *project.deny]),
        (Decision.ASK, [*user.ask, *project.ask]),
        (Decision.ALLOW, user.allow),
    ]
    return [parse_rule(text, decision) for decision, texts in lists for text in texts]


def _check(kind: type[M], data: Any, name: str, *, bare: bool = False) -> M:
    """The data as a model, or one line that names the file, the key and what is expected."""
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(_complaint(kind, first, name, bare=bare)) from error


def _complaint(kind: type[BaseModel], error: Any, name: str, *, bare: bool) -> str:
    place = [part for part in error["loc"] if isinstance(part, str)]
    key = ".".join(place)
    where = name if bare else f"{name}: {key}"
    if error["type"] == "extra_forbidden":
        known = _keys(kind, place[:-1])
        near = difflib.get_close_matches(place[-1], known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        return f"{name}: there is no setting {key}; {hint}"
    return f"{where}: {error['msg'].removeprefix('Value error, ')}"


def _keys(kind: type[BaseModel], place: list[str]) -> list[str]:
    for name in place:
        field = kind.model_fields.get(name)
        inner = [x for x in (field.annotation, *get_args(field.annotation))
                 if isinstance(x, type) and issubclass(x, BaseModel)] if field else []  # fmt: skip
        if not inner:
            return []
        kind = inner[0]
    return sorted(kind.model_fields)
