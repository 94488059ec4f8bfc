"""The plan of a whole project: its files in the order in which they are written, as data."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from agent.context.python import name_of
from agent.context.sayings import uses
from tools.code.naming import is_test
from tools.protected import PROTECTED_NAMES

MOST_FILES = 48
MOST_TOKENS = 4_000
_NEW = re.compile(
    r"\b(build|create|generate|make|write|scaffold|start|set up|bootstrap|implement)\b"
    r".{0,120}?\b(project|package|app|application|library|program|tool|cli|service|game|site|"
    r"website|server)\b",
    re.IGNORECASE | re.DOTALL,
)
_LIST = re.compile(r'\s*\{\s*"files"\s*:\s*\[\s*')
_PATH = re.compile(r"[\w.+@()\[\]/-][\w.+@()\[\]/ -]{0,200}")
GRAMMAR = r"""start: "{\"files\": [" file (", " file){0,47} "]}"
file: "{\"path\": \"" PATH "\", \"purpose\": \"" TEXT "\", \"defines\": [" names "]}"
names: ("\"" TEXT "\"" (", \"" TEXT "\""){0,7})?
PATH: /([A-Za-z0-9_.-]+\/){0,4}[A-Za-z0-9_.-]*[A-Za-z0-9_]/
TEXT: /[^"\\\n]{2,110}/
"""


# Files that a task can only mean as a part of the project; others may be its data.
USUAL = {
    "README.md": "what it is, how to install it, how to use it",
    "pyproject.toml": "the package's metadata and how it is built",
    "requirements.txt": "the packages that it needs",
    "package.json": "the package's metadata, scripts and dependencies",
    "tsconfig.json": "the settings of the TypeScript compiler",
    "Cargo.toml": "the crate's metadata and dependencies",
    "go.mod": "the module's name and dependencies",
    "Makefile": "the commands that build and test it",
    "Dockerfile": "how its image is built",
    ".gitignore": "what git leaves out",
    "CHANGELOG.md": "what changed from version to version",
}
# Of code that is run: what a model forgets where it plans functions only.
MAIN = "The command line that `python -m NAME` runs: main() reads the arguments, and is called."
MODULE_MAIN = "`python -m NAME` runs it: it ends with if __name__ == '__main__': main()."
ONLY = "It prints that and no words around it."
# A function that the task names with its parameters.
_FUNCTION = re.compile(r"(?<![\w.])[a-z_]\w*\((?:[a-z_]\w*(?:, (?=\w))?)+\)")
_USUAL = re.compile(rf"(?<![\w./-])(?:{'|'.join(map(re.escape, USUAL))})(?![\w/-])")


@dataclass(frozen=True)
class PlannedFile:
    """One file: what it is for, and the signatures that others may count on."""

    path: str
    purpose: str
    defines: tuple[str, ...] = ()
    content: str = ""  # where the model need not be asked; a package adds what it gathers


def is_whole_project(task: str, files: Sequence[str]) -> bool:
    """Whether a task asks for a project where there is none yet."""
    own = [file for file in files if not PurePosixPath(file).name.startswith(".")]
    sources = [file for file in own if not file.lower().endswith((".md", ".txt", ".toml"))]
    return not sources and bool(_NEW.search(task))


def read_plan(text: str) -> list[PlannedFile]:
    """The files of a plan in the model's order, each once; [] where it is none.

    Of a plan that was cut off, those that are whole. Paths that leave the folder, name a folder, or
    lie in a protected one are dropped.
    """
    files: dict[str, PlannedFile] = {}
    for item in _items(text):
        file = _planned(item)
        if file is not None:
            files.setdefault(file.path, file)
    # No file can have the name of another one's folder.
    folders = {str(parent) for path in files for parent in PurePosixPath(path).parents}
    return [file for path, file in files.items() if path not in folders][:MOST_FILES]


def _items(text: str) -> Iterator[object]:
    """What the list of files has, one after the other, as far as it goes."""
    opening = _LIST.match(text)
    at = opening.end() if opening else len(text)
    decoder = json.JSONDecoder()
    while at < len(text):
        try:
            item, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return
        yield item
        at += len(text[at:]) - len(text[at:].lstrip(", \n"))


def _planned(item: object) -> PlannedFile | None:
    """One file of a plan; None where it cannot be written."""
    if not isinstance(item, dict) or not isinstance(item.get("path"), str):
        return None
    path = PurePosixPath(item["path"])
    names = {part.lower() for part in path.parts}
    if path.is_absolute() or not names or names & {"..", *PROTECTED_NAMES}:
        return None
    if not _PATH.fullmatch(str(path)):
        return None
    purpose, defines = item.get("purpose"), item.get("defines")
    return PlannedFile(
        str(path),
        purpose if isinstance(purpose, str) else "",
        tuple(map(str, defines)) if isinstance(defines, list) else (),
    )


def complete(
    files: Sequence[PlannedFile], task: str = "", *, together: bool = False
) -> list[PlannedFile]:
    """The plan with what a folder of modules needs, in an order in which it can be written.

    A module that has the name of a package could not be imported beside it: it moves into it. What
    the task names of the files that projects have, and of functions, and the plan forgot, is added;
    and what it runs as ``python -m NAME`` can be run. With `together` functions that the task names
    are in one module, where a small model, which sees one file at a time, keeps them apart in mind.
    """
    if files:
        names = {PurePosixPath(file.path).name.lower() for file in files}
        wanted = dict.fromkeys(match[0] for match in _USUAL.finditer(task))
        files = [*files, *(PlannedFile(w, USUAL[w]) for w in wanted if w.lower() not in names)]
    packages = {str(PurePosixPath(f.path).parent) for f in files if f.path.endswith(".py")}
    files = [_inside(file, packages, {f.path for f in files}) for file in files]
    files = _with_functions(files, task)
    files = _together(files, task) if together else files
    files = _runnable(files, uses(task))
    paths = {file.path for file in files}
    added = []
    for file in files:
        package = PurePosixPath(file.path).parent
        marker = str(package / "__init__.py")
        is_module = file.path.endswith(".py") and str(package) != "."
        if is_module and marker not in paths:
            paths.add(marker)
            added.append(PlannedFile(marker, f"The package {package.name}."))
    files = [*added, *files]
    return sorted((_bare(file, files) for file in files), key=_stage)


def _with_functions(files: Sequence[PlannedFile], task: str) -> list[PlannedFile]:
    """The plan in which the functions that a task names are functions of a module."""
    files = [replace(f, defines=_as_named(f.defines, _named(task))) for f in files]
    modules = [
        f for f in files if f.path.endswith(".py") and not _is_special(f) and not is_test(f.path)
    ]
    planned = {name_of(text) for file in files for text in file.defines}
    more = [f"def {text}" for name, text in _named(task).items() if name not in planned]
    if not modules or not more:
        return list(files)
    first = modules[0]
    return [replace(f, defines=(*more, *f.defines)) if f is first else f for f in files]


def _as_named(defines: Sequence[str], named: Mapping[str, str]) -> tuple[str, ...]:
    """Signatures of functions as the task has them: a model may write them in no language."""
    if any(text.lstrip().startswith("class ") for text in defines):
        return tuple(defines)
    texts = [(text, named.get(name_of(text))) for text in defines]
    return tuple(text if own is None else f"def {own}" for text, own in texts)


def _named(task: str) -> dict[str, str]:
    """The functions that a task names with their parameters; none where they may be methods."""
    if "method" in task:
        return {}
    return {name_of(match[0]): match[0] for match in _FUNCTION.finditer(task)}


def _together(files: Sequence[PlannedFile], task: str) -> list[PlannedFile]:
    """The plan in which modules of one folder with nothing but functions of the task are one."""
    named = _named(task).keys()
    parts = [
        f for f in files if f.path.endswith(".py") and not _is_special(f) and not is_test(f.path)
    ]
    parts = [f for f in parts if f.defines and {name_of(text) for text in f.defines} <= named]
    folder = PurePosixPath(parts[0].path).parent if parts else PurePosixPath()
    parts = [f for f in parts if PurePosixPath(f.path).parent == folder]
    whole = str(folder / "core.py")
    if len(parts) < 2 or any(f.path == whole for f in files if f not in parts):
        return list(files)
    texts = {name_of(text): text for part in parts for text in part.defines}
    core = PlannedFile(whole, " ".join(part.purpose for part in parts), tuple(texts.values()))
    kept = [core if file is parts[0] else file for file in files]
    return [file for file in kept if file not in parts]


def _runnable(files: Sequence[PlannedFile], used: Mapping[str, str]) -> list[PlannedFile]:
    """The plan in which ``python -m`` runs each of these modules, as far as they are its own;
    `used` has what the task says of each."""
    known = {file.path: file for file in files}
    for name, use in used.items():
        told = f"As the task has it: {use}. {ONLY}" if " " in use.partition(" -m ")[2] else ""
        main = f"{name}/__main__.py"
        if any(path.startswith(f"{name}/") for path in known):
            made = PlannedFile(main, MAIN.replace("NAME", name), ("main()",))
            known[main] = _saying(known.get(main, made), told)
        elif alone := known.get(f"{name}.py"):
            defines = tuple(dict.fromkeys([*alone.defines, "main()"]))
            runs = MODULE_MAIN.replace("NAME", name)
            known[alone.path] = _saying(_saying(replace(alone, defines=defines), runs), told)
    return list(known.values())


def _saying(file: PlannedFile, more: str) -> PlannedFile:
    return replace(file, purpose=f"{file.purpose} {more}".strip())


def _inside(file: PlannedFile, packages: set[str], paths: set[str]) -> PlannedFile:
    """The file where it can be imported."""
    name = file.path.removesuffix(".py")
    moved = f"{name}/core.py"
    if not file.path.endswith(".py") or name not in packages or moved in paths:
        return file
    return replace(file, path=moved)


def listing(files: Sequence[PlannedFile]) -> str:
    """The plan in few lines."""
    lines = []
    for file in files:
        names = f" Defines: {'; '.join(file.defines)}" if file.defines else ""
        lines.append(f"- {file.path}: {file.purpose}{names}")
    return "\n".join(lines)


def _bare(file: PlannedFile, files: Sequence[PlannedFile]) -> PlannedFile:
    """A package that gathers what its modules define needs no model to write it."""
    package = PurePosixPath(file.path)
    if package.name != "__init__.py" or file.content:
        return file
    others = [f for f in files if PurePosixPath(f.path).parent == package.parent and f is not file]
    theirs = {name_of(text) for other in others for text in other.defines}
    own = {name_of(text) for text in file.defines}
    # A plan that names the same functions twice means the same functions.
    gathers = bool(others) and (not own or bool(own & theirs))
    if not gathers and not is_test(file.path):
        return file
    text = (
        file.purpose.replace("\\", "").replace('"', "'").strip()
        or f"The package {package.parent.name}."
    )
    return replace(file, content=f'"""{text}"""\n')


def gathered(file: PlannedFile, files: Sequence[PlannedFile]) -> dict[str, str]:
    """The names that a package has from its modules, each with the path that defines it."""
    folder = PurePosixPath(file.path).parent
    inside = [f for f in files if PurePosixPath(f.path).parent == folder and not is_test(f.path)]
    names: dict[str, str] = {}
    for each in inside:
        for text in each.defines:
            if not _is_special(each) and name_of(text) not in ("", "main"):
                names.setdefault(name_of(text), each.path)
    return names


def _is_special(file: PlannedFile) -> bool:
    return PurePosixPath(file.path).name in ("__init__.py", "__main__.py")


def _stage(file: PlannedFile) -> int:
    """Code, what gathers it, its tests, what is written about it; equal ones stay in order."""
    name = PurePosixPath(file.path).name.lower()
    if is_document(file.path):
        return 4
    if is_test(file.path):
        return 3
    return {"__init__.py": 1, "__main__.py": 2}.get(name, 0)


def is_document(file: str) -> bool:
    """Whether a file is for people to read."""
    return file.lower().endswith((".md", ".rst", ".txt"))
