"""What people build with has to run in the sandbox."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tools.base import ToolContext
from tools.output import OutputStore
from tools.sandbox.probe import find_sandbox
from tools.shell import run_command
from tools.workspace import Workspace

PYTHON = str(Path(sys.executable).resolve())
POOL = """
import multiprocessing, concurrent.futures, tempfile, threading, sqlite3, ssl, asyncio
if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        print(pool.map(abs, [-1, -2]))
    with concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
        print(list(pool.map(abs, [-3])))
    lock = multiprocessing.Lock()
    sqlite3.connect("data.db").execute("create table t (x)")
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"x")
    print(asyncio.run(asyncio.sleep(0, 4)))
"""
SERVER = """
import http.server, threading, urllib.request
server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/").status)
"""
# Each needs its program; `needs` is what has to be installed for the row to mean something.
COMMANDS = [
    ("python3", "{python} pool.py", "[1, 2]\n[3]\n4\n"),
    ("python3", "{python} server.py 2> /dev/null", "200\n"),
    ("python3", "{python} -m venv --without-pip env && env/bin/python -c 'print(5)'", "5\n"),
    ("git", "git init -q x && cd x && git status --short --branch", "## No commits yet on "),
    ("cc", "printf 'int main(void){{return 7;}}' > a.c && cc a.c -o a; ./a; echo $?", "7\n"),
    ("make", "printf 'all:\\n\\t@echo made\\n' > Makefile && make -s -j4", "made\n"),
    ("bash", "diff <(echo a) <(echo a) && cat <<< here", "here\n"),
]


@pytest.mark.parametrize(("needs", "command", "output"), COMMANDS)
async def test_it_runs(root: Path, needs: str, command: str, output: str) -> None:
    assert shutil.which(needs), f"these tests need {needs}"
    (root / "pool.py").write_text(POOL)
    (root / "server.py").write_text(SERVER)
    context = ToolContext(Workspace(root), find_sandbox("bubblewrap"), OutputStore(None))
    outcome = await run_command(command.format(python=PYTHON), context, 120)
    assert outcome.text.startswith(output), outcome.text
    assert outcome.exit_code == 0
