"""The Hugging Face source: a HEAD that says what the file is, then a GET that resumes.

huggingface_hub brings the endpoint (HF_ENDPOINT), the token, HF_HUB_OFFLINE and the HTTP client.
The transfer is ours: hf_hub_download (2.4) writes into a file with a random name and removes it
when it is interrupted, so 18 GB would start again from nothing. Its header builder also asks the
hub which coding agent we are (utils/_detect_agent.py); that question is not asked here.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from agent.models.source import Progress, SourceFailed, SourceRefused, hash_into

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")

FIRST_ANSWER_S = 8.0
READ_S = 30.0
ATTEMPTS = 5
PAUSE_S = 1.0
MAX_REDIRECTS = 5
NOTE = "Hugging Face"

_QUANTS = ("Q4_K_M", "Q4_K_XL", "Q4_K_S", "MXFP4", "Q4_0")
_SPLIT = re.compile(r"-\d{5}-of-\d{5}\.gguf$", re.IGNORECASE)
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class RemoteFile:
    """A file of the hub: size in bytes, `sha256` as the hub declares it for its large files."""

    repo: str
    file: str
    url: str
    size: int
    sha256: str
    authorised: bool


def within(seconds: float, call: Callable[[], T]) -> T:
    """Run `call` in a thread and give up on it after `seconds`.

    Looking up a name has no time limit of its own, and a client's limits count each phase apart;
    this bounds all of it. Raises SourceFailed: from `call`, or because the time is over.
    """
    results: list[T] = []
    failures: list[SourceFailed] = []

    def run() -> None:
        try:
            results.append(call())
        except SourceFailed as failed:
            failures.append(failed)

    # A daemon: a look-up that hangs must not keep the process from ending.
    thread = threading.Thread(target=run, name="hub-probe", daemon=True)
    thread.start()
    thread.join(seconds)
    if results:
        return results[0]
    if failures:
        raise failures[0]
    raise SourceFailed(f"no answer within {seconds:.0f} s" if thread.is_alive() else "it failed")


def _headers() -> dict[str, str]:
    from huggingface_hub import constants, get_token

    # identity: a Range counts the bytes of the file, not of its compressed form
    headers = {"user-agent": "ingle", "accept-encoding": "identity"}
    token = None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()
    if token:
        headers["authorization"] = f"Bearer {token}"
    return headers


def _refuse(response: httpx2.Response) -> None:
    """Raise SourceFailed for a status that is no success and no redirect."""
    status = response.status_code
    if status < 400:
        return
    advice = {
        401: "HTTP 401: no such repository, or it needs a token (HF_TOKEN)",
        403: "HTTP 403: not allowed; accept its licence on the hub and set HF_TOKEN",
        404: "HTTP 404: no such file there",
    }
    kind = SourceRefused if status < 500 else SourceFailed
    raise kind(advice.get(status, f"HTTP {status}"))


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _head(repo: str, file: str) -> RemoteFile:
    import httpx2
    from huggingface_hub import get_session, hf_hub_url

    url = httpx2.URL(hf_hub_url(repo, file))
    headers = _headers()
    for _ in range(MAX_REDIRECTS):
        response = get_session().head(
            url, headers=headers, timeout=FIRST_ANSWER_S, follow_redirects=False
        )
        _refuse(response)
        target = url.join(response.headers["location"]) if response.is_redirect else url
        elsewhere = _origin(target) != _origin(url)
        etag = response.headers.get("x-linked-etag") or response.headers.get("etag") or ""
        # A redirect inside the hub is a renamed repository; one to a store has the facts on it.
        if not response.is_redirect or elsewhere or "x-linked-etag" in response.headers:
            sha256 = etag.removeprefix("W/").strip('"').lower()
            length = response.headers.get("x-linked-size")
            if length is None and not response.is_redirect:
                length = response.headers.get("content-length")
            if not _SHA256.fullmatch(sha256) or not (length or "").isdigit():
                raise SourceFailed("the answer names no size and sha256; it is not from a hub")
            return RemoteFile(repo, file, str(target), int(length or 0), sha256, not elsewhere)
        url = target
    raise SourceFailed("too many redirects")


def _list(repo: str) -> list[str]:
    from huggingface_hub import constants, get_session

    response = get_session().get(
        f"{constants.ENDPOINT}/api/models/{repo}/tree/main",
        headers=_headers(),
        timeout=FIRST_ANSWER_S,
    )
    _refuse(response)
    rows = response.json()
    if not isinstance(rows, list):
        raise SourceFailed("the list of files is not one")
    paths = (row.get("path") for row in rows if isinstance(row, dict))
    return [path for path in paths if isinstance(path, str)]


def choose_file(paths: list[str]) -> str:
    """The single-file Q4 GGUF among the paths of a repository. Raises SourceFailed."""
    whole = [p for p in paths if p.lower().endswith(".gguf") and not _SPLIT.search(p)]
    for quant in _QUANTS:
        for path in sorted(whole):
            if quant in path.upper():
                return path
    raise SourceFailed("the repository has no single Q4 .gguf file")


def _named_errors(call: Callable[[], T]) -> T:
    """Run `call`; what the client raises becomes SourceFailed."""
    import httpx2
    from huggingface_hub.errors import OfflineModeIsEnabled

    try:
        return call()
    except OfflineModeIsEnabled as error:
        raise SourceFailed("HF_HUB_OFFLINE is set") from error
    except httpx2.TimeoutException as error:
        raise SourceFailed("no answer in time") from error
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        text = " ".join(str(error).split())[:120] or type(error).__name__
        raise SourceFailed(f"cannot be reached ({text})") from error
    except ValueError as error:
        raise SourceFailed("the answer cannot be read; it is not from a hub") from error


def describe(repo: str, file: str) -> RemoteFile:
    """Ask the hub about a file; an empty `file` takes the repository's Q4 file.

    Takes at most FIRST_ANSWER_S seconds. Raises SourceFailed.
    """

    def ask() -> RemoteFile:
        return _head(repo, file or choose_file(_list(repo)))

    def ask_named() -> RemoteFile:
        try:
            return _named_errors(ask)
        except OSError as error:  # such as a certificate file that is not there
            raise SourceFailed(f"cannot be asked ({error.strerror or error})") from error

    return within(FIRST_ANSWER_S, ask_named)


def _get(remote: RemoteFile, partial: Path, digest: hashlib._Hash, progress: Progress) -> None:
    """One GET from the end of `partial`; leaves what came, raises when it breaks off."""
    import httpx2
    from huggingface_hub import get_session

    have = partial.stat().st_size
    headers = _headers()
    if not remote.authorised:
        headers.pop("authorization", None)
    if have:
        headers["range"] = f"bytes={have}-"
    limits = httpx2.Timeout(READ_S, connect=FIRST_ANSWER_S)
    with get_session().stream(
        "GET", remote.url, headers=headers, timeout=limits, follow_redirects=True
    ) as answer:
        _refuse(answer)
        start = re.match(r"bytes (\d+)-", answer.headers.get("content-range", ""))
        if have and (answer.status_code != 206 or not start or int(start[1]) != have):
            raise _RangeIgnored
        with partial.open("ab") as out:
            # Without a chunk size: what has arrived is kept when the connection breaks.
            for chunk in answer.iter_raw():
                have += len(chunk)
                if have > remote.size:
                    raise SourceRefused(f"more than the {remote.size:,} bytes that were declared")
                out.write(chunk)
                digest.update(chunk)
                progress(have, remote.size, NOTE)


class _RangeIgnored(Exception):
    """The server sends the file from its beginning although a part was asked for."""


def _again(remote: RemoteFile) -> RemoteFile:
    """Ask for the same file once more: a signed address may have run out. Raises SourceFailed,
    and SourceRefused when it is another file by now."""
    fresh = describe(remote.repo, remote.file)
    if (fresh.sha256, fresh.size) != (remote.sha256, remote.size):
        raise SourceRefused("the file was changed on the hub in the meantime")
    return fresh


def _attempt(
    remote: RemoteFile, partial: Path, digest: hashlib._Hash, progress: Progress, first: bool
) -> str:
    """One connection; returns why it ended early, or "" when it brought all. Raises
    SourceRefused."""
    try:
        source = remote if first else _again(remote)
        _named_errors(lambda: _get(source, partial, digest, progress))
    except SourceRefused:
        raise
    except SourceFailed as failed:
        return str(failed)
    return "" if partial.stat().st_size == remote.size else "the connection closed too early"


def download(remote: RemoteFile, partial: Path, progress: Progress) -> str:
    """Bring the file to `partial`, going on behind what is there; returns its sha256.

    Gives up after ATTEMPTS connections in a row that brought nothing, and at once when the hub
    refuses. Raises SourceFailed; `partial` is kept then, for the next time. Raises OSError.
    """
    partial.touch()
    if partial.stat().st_size > remote.size:
        os.truncate(partial, 0)
    digest = hashlib.sha256()
    have = hash_into(digest, partial, progress, "checking what is there")
    failures, first = 0, True
    while have < remote.size:
        try:
            reason = _attempt(remote, partial, digest, progress, first)
        except _RangeIgnored:
            os.truncate(partial, 0)
            digest, have, reason = hashlib.sha256(), 0, "it sends only whole files"
        now, first = partial.stat().st_size, False
        failures = 0 if now > have else failures + 1
        if failures >= ATTEMPTS:
            raise SourceFailed(reason)
        if failures:
            progress(now, remote.size, f"{NOTE}: {reason}; trying again")
            time.sleep(PAUSE_S)
        have = now
    return digest.hexdigest()
