"""The makers' chat templates and two real vocabularies, out of llama-cpp-python's source archive.

    template("GLM-4.6")                 the text of a template
    vocabulary("qwen35")                a GGUF without weights

The archive is the one in requirements.lock: the package client fetches it and checks its hash,
once; what tests need of it is kept in the user's cache. ``make test`` does that before pytest:

    python -m tests.unit.dialects.templates
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

from agent.config import Folders

PACKAGE = "llama-cpp-python"
LOCK = Path(__file__).parents[3] / "requirements.lock"
MODELS = "vendor/llama.cpp/models/"  # in the archive
VOCABULARIES = ("ggml-vocab-qwen2.gguf", "ggml-vocab-qwen35.gguf")


def template(name: str) -> str:
    """The chat template `name`, as in "Qwen3-Coder". Raises FileNotFoundError."""
    return (fetch() / f"{name}.jinja").read_text("utf-8")


def template_names() -> list[str]:
    """All that the archive has, sorted."""
    return sorted(path.stem for path in fetch().glob("*.jinja"))


def vocabulary(name: str) -> Path:
    """A GGUF that holds only a tokenizer: "qwen2" or "qwen35"."""
    return fetch() / f"ggml-vocab-{name}.gguf"


def fetch() -> Path:
    """The folder with the files; downloads the archive (77 MB, seconds) if it is not there yet."""
    requirement = locked()
    version = requirement.split("==")[1].split()[0]
    folder = Folders.from_env().cache / "tests" / f"{PACKAGE}-{version}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            archive = download(requirement, Path(temporary))
            files = Path(temporary) / "files"
            _extract(archive, files)
            try:
                files.rename(folder)
            except OSError:
                if not folder.is_dir():  # else another process was faster
                    raise
    return folder


def locked() -> str:
    """The requirement with its hashes, as it stands in the lock file."""
    match = re.search(rf"^{PACKAGE}==(?:.*\\\n)*.*", LOCK.read_text("utf-8"), re.MULTILINE)
    assert match, f"{LOCK.name} does not pin {PACKAGE}"
    return match[0]


def download(requirement: str, folder: Path) -> Path:
    """Let pip fetch and check the archive. It reads its metadata but compiles nothing."""
    wanted = folder / "requirements.txt"
    wanted.write_text(requirement, "utf-8")
    command = [sys.executable, "-P", "-m", "pip", "download", "--quiet", "--no-input"]
    command += ["--disable-pip-version-check", "--no-cache-dir", "--no-deps", "--require-hashes"]
    command += [f"--no-binary={PACKAGE}", f"--dest={folder}", f"--requirement={wanted}"]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    (archive,) = folder.glob("*.tar.gz")
    return archive


def _extract(archive: Path, into: Path) -> None:
    """Only the templates and vocabularies, by their plain names."""
    into.mkdir()
    with tarfile.open(archive) as tar:
        for member in tar:
            inside = member.name.partition("/")[2]
            name = PurePosixPath(inside).name
            is_template = inside == f"{MODELS}templates/{name}" and name.endswith(".jinja")
            if is_template or (inside.startswith(MODELS) and name in VOCABULARIES):
                data = tar.extractfile(member)
                assert data, f"{member.name} is no plain file"
                (into / name).write_bytes(data.read())


if __name__ == "__main__":
    fetch()
