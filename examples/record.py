"""Run the demo and keep what it prints as docs/demo.svg: `python examples/record.py`."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "cart"
        done = subprocess.run(
            [sys.executable, str(ROOT / "examples" / "demo.py"), "--folder", str(place)],
            env={**os.environ, "FORCE_COLOR": "1", "COLUMNS": "96"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        shown = done.stdout.replace(str(Path(sys.executable).parent) + "/", "")
        shown = shown.replace(str(place), "cart")
    console = Console(record=True, width=96, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(shown))
    console.save_svg(str(ROOT / "docs" / "demo.svg"), title="make demo")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
