from __future__ import annotations

from pathlib import Path

from tools.base import ToolContext
from tools.code.window import definitions_of, listing, window
from tools.output import OutputStore
from tools.read import ReadArguments, run_read
from tools.sandbox.off import Off
from tools.workspace import Workspace

LONG = "".join(
    f"def function_{n}(value):\n    total = value + {n}\n    return total\n\n\n" for n in range(200)
)


def test_a_short_text_is_shown_whole() -> None:
    assert window("a.py", "one\ntwo\n", 100) == "a.py lines 1-2 of 2\none\ntwo"


def test_a_long_one_has_its_head_its_symbols_and_its_tail() -> None:
    text = window("a.py", LONG, 3000)
    assert len(text) < 3300
    lines = text.split("\n")
    assert lines[0].startswith("a.py lines 1-")
    assert lines[0].endswith("-1000 of 1000")
    assert lines[1] == "def function_0(value):"
    assert "def function_199(value):" in lines
    head = int(lines[-1].removeprefix("[read on with first_line=").removesuffix("]"))
    listed = [
        line for line in lines if line.endswith(" def function_100(value)") or " def " in line
    ]
    assert all(line.split(" ", 1)[0].isdigit() for line in listed)
    first = int(listed[0].split(" ")[0])
    assert first >= head
    assert LONG.split("\n")[first - 1].startswith("def ")


def test_a_text_without_symbols_has_head_and_tail() -> None:
    text = window("a.txt", "".join(f"row {n}\n" for n in range(1000)), 500)
    assert "are left out]" in text
    assert "row 0\n" in text
    assert "row 999\n" in text
    assert len(text) < 700


def test_one_endless_line_is_cut() -> None:
    text = window("min.js", "x" * 10_000, 500)
    assert len(text) < 800
    assert text.startswith("min.js lines 1-1")


def test_outer_and_long_definitions_are_listed_before_inner_and_short_ones() -> None:
    code = "def short(): ...\nclass Big:\n" + "    def inner(self): ...\n" * 20
    found = definitions_of("a.py", code)
    assert listing(found, 50) == ["1 def short()", "2 class Big", "20 more"]
    assert listing(found, 30) == ["2 class Big", "21 more"]
    assert listing(found, 5) == []


def test_a_file_of_megabytes_is_shown_without_symbols() -> None:
    text = "def first(): ...\n" + "x = [1, (2, {3: 4})]\n" * 200_000
    assert definitions_of("a.py", text) == ()
    assert definitions_of("a.py", text[:100]) != ()


async def test_the_read_tool_lists_what_is_further_down(root: Path, tmp_path: Path) -> None:
    (root / "long.py").write_text(LONG)
    (root / "fits.py").write_text("def one(): ...\n")
    context = ToolContext(Workspace(root), Off(), OutputStore(tmp_path / "output"))

    async def read(**arguments: object) -> str:
        return (await run_read(ReadArguments(**arguments), context)).text  # type: ignore[arg-type]

    text = await read(path="long.py")
    assert len(text) < context.output.limit + 100
    shown, _, rest = text.partition("\n[further down:\n")
    end = int(shown.split(" ")[2].split("-")[1])
    assert rest.endswith(f"\n]\n[read on with first_line={end + 1}]")
    numbers = [int(line.split(" ")[0]) for line in rest.split("\n") if " def " in line]
    assert numbers == sorted(numbers)
    assert end < numbers[0] <= end + 5
    assert "further down" not in await read(path="long.py", first_line=2)
    assert "further down" not in await read(path="fits.py")
