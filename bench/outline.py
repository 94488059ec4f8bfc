"""The outline of a repository of 10,000 files: seconds cold and warm, and whether it is stable.

The repository is made up, the same each time: packages of modules in five languages, 4 to 6 KB
each, that use a few others by name, with a .gitignore that hides generated files.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from pathlib import Path

from tools.code.project import Project, outline_of

FILES = 10_000
BUDGET = 8_000  # characters, about 2,000 tokens
RUNS = 5  # of the warm ones
PARTS = ("order", "price", "cart", "user", "stock", "mail", "event", "cache", "route", "page")
VERBS = ("load", "save", "check", "merge", "render", "parse", "send", "count", "find", "split")
SUFFIXES = (".py", ".py", ".py", ".ts", ".go", ".java", ".rs")


def run() -> None:
    """Make it, look at it, print a table."""
    with tempfile.TemporaryDirectory(prefix="ingle-bench-") as folder:
        root, store = Path(folder, "project"), Path(folder, "store.sqlite")
        size = make(root)
        print(f"{FILES:,} files, {size / 1e6:.0f} MB, outline of {BUDGET:,} characters")
        cold, text = timed(root, store)
        print(f"cold                      {cold}")
        warm = [timed(root, store) for _ in range(RUNS)]
        print(f"warm, median of {RUNS}         {sorted(seconds for seconds, _ in warm)[RUNS // 2]}")
        (root / "pkg00" / "extra.py").write_text("def extra():\n    return 1\n", "utf-8")
        print(f"after one new file        {timed(root, store)[0]}")
        (root / "pkg00" / "extra.py").unlink()
        other, again = timed(root, Path(folder, "other.sqlite"))
        print(f"cold again                {other}")
        same = all(found == text for found in (again, *(found for _, found in warm)))
        print(f"the same bytes            {'yes' if same else 'NO'}, {len(text):,} characters")
        everything(root, store)


def timed(root: Path, store: Path) -> tuple[str, str]:
    """Wall seconds and this process's and its children's own seconds, as text; the outline."""
    begin, before = time.perf_counter(), os.times()
    text = outline_of(root, store, BUDGET)
    wall, after = time.perf_counter() - begin, os.times()
    own = sum(after[:4]) - sum(before[:4])
    return f"{wall:6.2f} s  (processor {own:.2f} s)", text


def everything(root: Path, store: Path) -> None:
    """All symbols of the first 1,000 files, as an index for search needs them."""
    with Project(root, store) as project:
        known = project.refresh()
        paths = sorted(known.files)[:1_000]
        for label in ("parsed", "from the store"):
            begin = time.perf_counter()
            count = sum(len(found.definitions) for _, found in project.symbols(paths, known.files))
            seconds = time.perf_counter() - begin
            print(f"1,000 files, {label:14} {seconds:6.2f} s, {count:,} definitions")


def make(root: Path) -> int:
    """Write the repository; returns its size in bytes."""
    dice = random.Random(7)
    size = 0
    for number in range(FILES):
        suffix = SUFFIXES[number % len(SUFFIXES)]
        folder = root / f"pkg{number // 100:02}"
        folder.mkdir(parents=True, exist_ok=True)
        # Most use the early ones: a project has a core.
        used = [int(FILES * dice.random() ** 4) for _ in range(5)]
        text = module(number, suffix, [each for each in used if each != number], dice)
        size += len(text)
        (folder / f"{stem(number)}{suffix}").write_text(text, "utf-8")
    (root / ".gitignore").write_text("generated/\n", "utf-8")
    generated = root / "generated"
    generated.mkdir()
    for number in range(200):
        (generated / f"made{number}.py").write_text("x = 1\n", "utf-8")
    return size


def stem(number: int) -> str:
    return f"{PARTS[number % 10]}_{VERBS[number // 10 % 10]}_{number}"


def module(number: int, suffix: str, used: list[int], dice: random.Random) -> str:
    """A text of about 5 KB with a type, a dozen functions and calls of others' functions."""
    lines = [OPENING[suffix].format(name=stem(number), type=kind(number))]
    lines += [IMPORT[suffix].format(folder=f"pkg{n // 100:02}", name=stem(n)) for n in used]
    for index in range(12):
        calls = "".join(CALL[suffix].format(name=stem(dice.choice(used or [0]))) for _ in range(3))
        name = stem(number) if index == 0 else f"{dice.choice(VERBS)}_{dice.choice(PARTS)}_{index}"
        lines.append(FUNCTION[suffix].format(name=name, calls=calls, index=index))
    lines.append(CLOSING[suffix])
    return "\n".join(lines)


def kind(number: int) -> str:
    return "".join(part.capitalize() for part in stem(number).split("_"))


_BRACES = """{calls}    // Adds up what was found so far, and leaves the rest to whoever comes next.
    let total = {index};
    let message = "nothing to do for this value, which is fine";
    if (total > 3) {{ total = total * 2; }}
    return total;
}}
"""
OPENING = {
    ".py": '"""Module {name}."""\n\n\nclass {type}:\n    """Holds values."""\n\n    limit = 10\n',
    ".ts": "/** Holds values. */\nexport class {type} {{ limit = 10; }}\n",
    ".go": "package pkg\n\n// {type} holds values.\ntype {type} struct {{ limit int }}\n",
    ".java": "/** Holds values. */\npublic class {type} {{\n  private int limit = 10;\n",
    ".rs": "/// Holds values.\npub struct {type} {{ limit: u32 }}\n",
}
IMPORT = {
    ".py": "from {folder}.{name} import {name}",
    ".ts": "import {{ {name} }} from '../{folder}/{name}';",
    ".go": 'import "project/{folder}/{name}"',
    ".java": "// see {folder}.{name}",
    ".rs": "use crate::{folder}::{name}::{name};",
}
CALL = {
    suffix: f"    {{name}}({'data' if suffix == '.py' else 'data, 3'}){end}\n"
    for suffix, end in {".py": "", ".ts": ";", ".go": "", ".java": ";", ".rs": ";"}.items()
}
FUNCTION = {
    ".py": '''
def {name}(data, count=3, *, strict=False):
    """Work through the data and give back what is left of it."""
{calls}    # Adds up what was found so far, and leaves the rest to whoever comes next.
    total = [value for value in data if value > {index}]
    message = "nothing to do for this value, which is fine"
    if strict and not total:
        raise ValueError(f"{{message}}: {{count}}")
    return sum(total) * count
''',
    ".ts": "export function {name}(data: number[], count = 3): number {{\n" + _BRACES,
    ".go": "func {name}(data []int, count int) int {{\n" + _BRACES.replace("let ", "var "),
    ".java": "  public static int {name}(int[] data, int count) {{\n"
    + _BRACES.replace("let total", "int total").replace("let message", "String message"),
    ".rs": "pub fn {name}(data: &[u32], count: u32) -> u32 {{\n" + _BRACES,
}
CLOSING = {".py": "", ".ts": "", ".go": "", ".java": "}\n", ".rs": ""}
