from __future__ import annotations

from pathlib import Path

import pytest

from tools.base import ToolContext
from tools.search import GrepArguments, ListArguments, run_grep, run_list, summarise


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"this is {name}\n")


async def listed(context: ToolContext, path: str = ".", glob: str | None = None) -> str:
    return (await run_list(ListArguments(path=path, glob=glob), context)).text


async def grepped(
    context: ToolContext, pattern: str, path: str = ".", glob: str | None = None, i: bool = False
) -> str:
    arguments = GrepArguments(pattern=pattern, path=path, glob=glob, ignore_case=i)
    return (await run_grep(arguments, context)).text


async def test_files_are_listed_sorted_with_hidden_ones_and_without_git_and_ignored(
    context: ToolContext, root: Path
) -> None:
    make(root, "b.py", "a/z.py", ".github/x.yml", ".git/config", "build/x", "sub/.git/config")
    (root / ".gitignore").write_text("build/\n")
    assert await listed(context) == ".github/x.yml\n.gitignore\na/z.py\nb.py"


async def test_ignore_files_count_without_a_repository(context: ToolContext, root: Path) -> None:
    make(root, "a", "b")
    (root / ".gitignore").write_text("b\n")
    assert await listed(context) == ".gitignore\na"


async def test_a_folder_and_a_glob_narrow_the_list(context: ToolContext, root: Path) -> None:
    make(root, "a/x.py", "a/x.md", "b/x.py")
    assert await listed(context, "a") == "a/x.md\na/x.py"
    assert await listed(context, ".", "*.py") == "a/x.py\nb/x.py"
    assert await listed(context, ".", "!*.py") == "a/x.md"
    assert await listed(context, "b", "*.md") == (
        "no files that match *.md in b (ignored files are left out)"
    )


async def test_a_glob_does_not_bring_gits_folder_back(context: ToolContext, root: Path) -> None:
    make(root, ".git/config")
    for glob in ("**/config", "**", ".git", "!x"):
        assert "no files" in await listed(context, ".", glob)
        assert "no matches" in await grepped(context, "this", ".", glob)


async def test_many_files_become_counts_of_folders(context: ToolContext, root: Path) -> None:
    make(root, *(f"src/gen/{number}.py" for number in range(250)), "src/main.py", "README.md")
    assert await listed(context) == "README.md\nsrc/gen/ (250 files)\nsrc/main.py"


async def test_a_wide_folder_is_cut_with_a_count(context: ToolContext, root: Path) -> None:
    make(root, *(f"src/{number:03d}.py" for number in range(250)))
    text = await listed(context, "src")
    assert text.startswith("src/000.py\n")
    assert text.endswith("src/199.py\n[50 more: narrow with path or glob]")


def test_a_summary_counts_every_file_once() -> None:
    names = sorted(f"{a}/{b}/{c}" for a in "xyz" for b in range(10) for c in range(10))
    lines = summarise(names, 0, 30)
    assert len(lines) == 30
    assert lines[0] == "x/0/ (10 files)"
    assert summarise(names, 0, 3) == ["x/ (100 files)", "y/ (100 files)", "z/ (100 files)"]
    assert summarise(names[:100], 1, 3)[0] == "x/0/ (10 files)"


async def test_what_is_no_folder_cannot_be_listed(context: ToolContext, root: Path) -> None:
    make(root, "a.py")
    assert await listed(context, "a.py") == "a.py is a file: use read"
    assert "does not exist" in await listed(context, "nope")
    assert "outside of the workspace" in await listed(context, "..")


async def test_matches_come_with_path_and_line(context: ToolContext, root: Path) -> None:
    make(root, "a.py", "b/c.py")
    (root / "d:1:e.py").write_text("x\nthis\n")
    assert await grepped(context, "^th[iy]s") == (
        "a.py:1:this is a.py\nb/c.py:1:this is b/c.py\nd:1:e.py:2:this"
    )
    assert "no matches for 'THIS'" in await grepped(context, "THIS", "b")
    assert await grepped(context, "THIS", "b", i=True) == "b/c.py:1:this is b/c.py"
    assert await grepped(context, "this", "a.py") == "a.py:1:this is a.py"
    assert await grepped(context, "this", ".", "c.*") == "b/c.py:1:this is b/c.py"


async def test_too_many_matches_are_counted_not_shown(context: ToolContext, root: Path) -> None:
    (root / "a").write_text("x\n" * 500)
    text = await grepped(context, "x")
    assert text.endswith("a:100:x\n[400 more matches: narrow with path or glob]")
    (root / "b").write_text("y" * 250 + "\n")
    (root / "a").write_text(("y" * 250 + "\n") * 99)
    text = await grepped(context, "y")
    assert len(text) < context.output.limit + 100
    shown = text.count("\n")
    assert text.endswith(f"[{100 - shown} more matches: narrow with path or glob]")


async def test_long_lines_are_cut(context: ToolContext, root: Path) -> None:
    (root / "min.js").write_text("x" * 3_000_000 + "\n")
    text = await grepped(context, "x")
    assert text.startswith("min.js:1:xxx")
    assert len(text) < 400


async def test_bytes_that_are_no_text_do_not_break_the_search(
    context: ToolContext, root: Path
) -> None:
    (root / "a").write_bytes(b"caf\xe9 x\n")
    assert await grepped(context, "x") == "a:1:caf\ufffd x"


async def test_a_broken_pattern_comes_back_with_the_reason(context: ToolContext) -> None:
    result = await run_grep(GrepArguments(pattern="f("), context)
    assert not result.ok
    assert "unclosed group" in result.text


@pytest.mark.parametrize("pattern", ["-i", "--files", "-e", "--", ""])
async def test_a_pattern_that_looks_like_an_option_is_a_pattern(
    context: ToolContext, root: Path, pattern: str
) -> None:
    (root / "a").write_text(f"begin {pattern} end\n")
    assert await grepped(context, pattern) == f"a:1:begin {pattern} end"


async def test_kept_output_can_be_searched(context: ToolContext) -> None:
    context.output.with_limit(200).cut("filler\n" * 100 + "needle\n", "shell")
    assert context.output.folder is not None
    kept = next(context.output.folder.iterdir())
    assert await grepped(context, "needle", str(kept)) == f"{kept}:101:needle"


async def test_what_no_program_can_be_given_is_an_answer(context: ToolContext) -> None:
    assert "surrogate" in await grepped(context, "\ud800")
    assert "NUL" in await grepped(context, "x", ".", "\0")


async def test_missing_and_outside_paths_are_refused(context: ToolContext) -> None:
    assert await grepped(context, "x", "nope") == "nope does not exist"
    assert "outside of the workspace" in await grepped(context, "root", "/etc/passwd")
