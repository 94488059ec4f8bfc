"""Let the agent repair a copy of examples/cart: what `make demo` runs."""

from __future__ import annotations

import argparse
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from tools.sandbox.probe import find_sandbox

EXAMPLE = Path(__file__).resolve().parent / "cart"
CHECK = "python3 -m unittest -q"
TASK = "The tests fail. Fix cart.py."


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="made anew for the copy")
    folder = parser.parse_args().folder
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    agent = Path(sys.executable).parent / "agent"
    command = [str(agent), "do", TASK, "--check", CHECK, "--dir", str(folder)]
    if not find_sandbox().confines and not sys.stdin.isatty():
        # Nobody is there to be asked, and the folder is a copy that was made for this.
        print("no sandbox works here (`agent doctor` says why): the demo runs without one")
        command += ["--sandbox", "off"]
    print(f"$ {shlex.join(['agent', *command[1:]])}\n", flush=True)
    code = subprocess.run(command, check=False).returncode
    if code == 0:
        print(f"\n$ cd {folder} && {CHECK}", flush=True)
        code = subprocess.run(shlex.split(CHECK), cwd=folder, check=False).returncode
    return code


if __name__ == "__main__":
    sys.exit(main())
