"""Likely secrets in text: found by their form, or by a name that says what they are.

This is a net for accidents, not a boundary: a secret that looks like a word, or that somebody
encodes on purpose, passes. What only looks random (git hashes, UUIDs, checksums, base64 of files)
stays as it is, unless its name says that it is a secret.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote


@dataclass(frozen=True)
class Secret:
    """One secret in a text, from `start` to `end`."""

    kind: str
    start: int
    end: int


# Forms that their makers chose so that they can be found. The group is the secret.
_FORMS: tuple[tuple[str, str], ...] = (
    (
        "private-key",
        r"(-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
        r"(?=[\s\S]{0,200}?[A-Za-z0-9+/=]{24})"
        r"(?:(?:(?!-----BEGIN )[\s\S]){0,20000}?"
        r"-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
        r"|(?:(?:\s|\\[nr])*[A-Za-z0-9+/=]{16,})*))",
    ),
    ("anthropic", r"\b(sk-ant-[\w-]{20,})"),
    ("openai", r"\b(sk-(?:proj-|svcacct-|admin-|None-)[\w-]{20,})"),
    ("openai", r"\b(sk-(?=[A-Za-z]*[0-9])[A-Za-z0-9]{32,64})(?![\w-])"),
    ("aws", r"(?<![\w/+-])((?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16})(?![\w/+-])"),
    ("github", r"\b(gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_\w{36,255})"),
    ("gitlab", r"\b(gl(?:pat|dt|rt|ptt|soat|cbt|ft|imt|agent|oas)-[\w.-]{20,})"),
    ("slack", r"\b(xox[abeoprs](?:\.xox[bp])?-[A-Za-z0-9-]{20,}|xapp-\d-[A-Za-z0-9-]{20,})"),
    ("slack", r"hooks\.slack\.com/(?:services|workflows)/(T\w+/[\w/]{20,})"),
    ("google", r"(?<![\w-])(AIza[\w-]{35}|ya29\.[\w-]{20,}|GOCSPX-[\w-]{28})(?![\w-])"),
    ("huggingface", r"\b((?:hf|api_org)_[A-Za-z0-9]{34})(?!\w)"),
    ("stripe", r"\b((?:[sr]k_(?:live|test)|whsec)_[A-Za-z0-9]{16,})"),
    ("npm", r"\b(npm_[A-Za-z0-9]{36})(?!\w)"),
    ("pypi", r"\b(pypi-Ag[\w-]{50,})"),
    ("sendgrid", r"\b(SG\.[\w-]{22}\.[\w-]{43})"),
    ("digitalocean", r"\b(do[opr]_v1_[a-f0-9]{64})"),
    ("age", r"(AGE-SECRET-KEY-1[0-9A-Z]{58})"),
    ("jwt", r"(?<![\w-])(eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{16,})"),
    (
        "authorization",
        r"(?i:authorization)[\"']?\s*[:=]\s*[\"']?(?i:basic|bearer|token|digest|apikey)\s+"
        r"([\w.~+/=-]{8,})",
    ),
    ("authorization", r"(?i:\bbearer)\s+((?=[A-Za-z._~+/=-]*[0-9])[\w.~+/=-]{20,})"),
    (
        "password",
        r"\b[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/?#:@\"'<>]{0,200}:([^\s/?#@\"'<>]{3,200})@",
    ),
)
_COMPILED = tuple((kind, re.compile(form, re.ASCII)) for kind, form in _FORMS)

# name = value, "name": "value", --name value, name=value&...
_NAMED = re.compile(
    r"(?<![A-Za-z0-9])(?!secret:[a-z-]+:[0-9a-f]{4}\])(?P<name>[A-Za-z0-9_.-]{0,60}?"
    r"(?i:secret|token|passw|passphrase|pwd|credential|key)[A-Za-z0-9_-]{0,40})"
    r"(?P<sep>[\"']?\s{0,4}(?:=>|:=|=|:)\s{0,4}|\s{1,2})"
    r"(?:(?P<quote>[\"'`])(?P<quoted>[^\"'`\n]{8,512})(?P=quote)|(?P<plain>[^\s\"'`,;&(){}\[\]<>]{8,512}))"
)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[_.\-]+")
_SECRET_WORDS = frozenset(
    ["secret", "secrets", "token", "password", "passwd", "passphrase", "pwd", "apikey",
     "credential", "credentials", "authtoken", "secretkey", "accesskey", "privatekey"]
)  # fmt: skip
_SECRET_ENDS = ("password", "passwd", "passphrase", "secret", "apikey")
# A key is a secret only together with one of these.
_KEYS_OF = frozenset(
    ["api", "access", "secret", "private", "auth", "account", "signing", "encryption", "master",
     "storage", "shared", "service", "license", "app"]
)  # fmt: skip
# What a name ends in that speaks about a secret and is none.
_ABOUT = frozenset(
    ["count", "counts", "id", "ids", "name", "names", "type", "types", "limit", "max", "min", "url",
     "uri", "file", "files", "path", "dir", "len", "length", "size", "usage", "budget", "version",
     "field", "header", "policy", "env", "var", "class", "regex", "pattern", "ttl", "expiry",
     "expires", "at", "in", "algorithm", "alg", "format", "prefix", "hint", "label", "error",
     "endpoint", "index", "types", "public", "arn", "ref"]
)  # fmt: skip
_PLACEHOLDER = re.compile(
    r"(?i)^[\s*x.#_-]+$|^\$|^%|^\{|^<|^\[|\$\{|\{\{|^(?:your|my|the|some|example|dummy|fake|test"
    r"|sample|change|replace|insert|enter|placeholder|redacted|none|null|undefined)\b"
    r"|[-_](?:here|goes)\b|example|changeme|placeholder|^(?:my)?(?:password|passwd|pwd|secret|token|pass)[0-9]{0,3}$"
)
_CODE = re.compile(
    r"^[A-Za-z_][\w]*(?:\.[A-Za-z_]\w*)*$|^[A-Za-z_][\w.]*[(\[]|^(?:self|os|process)\."
)
_NOT_SECRET = re.compile(
    r"^(?:[a-z][a-z0-9+.-]*://|\.{0,2}/|~/|[A-Za-z]:\\|sha\d+[-:]|\^|[<>=~])|^[\d.,:_-]+$"
)
LEAST_ENTROPY = 2.75  # bits a character; English words have about as much, with digits more
_BLOB = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")
_MOST_BLOBS = 64


def mask(text: str) -> str:
    """`text` with each likely secret as ``[secret:KIND:HASH]``.

    The four digits are of its SHA-256, so that one can see where the same one stands. Doing it
    twice changes nothing.
    """
    found = find(text)
    if not found:
        return text
    parts: list[str] = []
    end = 0
    for secret in found:
        digest = hashlib.sha256(text[secret.start : secret.end].encode("utf-8", "replace"))
        parts += [text[end : secret.start], f"[secret:{secret.kind}:{digest.hexdigest()[:4]}]"]
        end = secret.end
    return "".join([*parts, text[end:]])


def contains_secret(url: str) -> str:
    """The kind of a secret in an address, encoded ones too; '' when there is none."""
    once = unquote(url, errors="replace")
    twice = unquote(once, errors="replace")
    for text in dict.fromkeys([url, once, twice]):
        if found := find(text):
            return found[0].kind
    for text in _decoded(twice):
        if found := find(text):
            return found[0].kind
    return ""


def find(text: str) -> list[Secret]:
    """All likely secrets, in order, none inside another."""
    all_found = sorted(
        [*_by_form(text), *_by_name(text)], key=lambda secret: (secret.start, -secret.end)
    )
    kept: list[Secret] = []
    for secret in all_found:
        if not kept or secret.start >= kept[-1].end:
            kept.append(secret)
    return kept


def _by_form(text: str) -> Iterator[Secret]:
    for kind, form in _COMPILED:
        for match in form.finditer(text):
            value = match[1]
            if kind in ("password", "authorization") and _PLACEHOLDER.search(value):
                continue
            yield Secret(kind, *match.span(1))


def _by_name(text: str) -> Iterator[Secret]:
    at = 0
    while match := _NAMED.search(text, at):
        group = "quoted" if match["quoted"] is not None else "plain"
        at = match.end("name")
        kind = _kind_of_name(match["name"], match["sep"])
        # A setting or an option holds a text; in a program a word may be a variable's name.
        called = text[match.end() : match.end() + 1] == "("
        literal = group == "quoted" or match["name"].isupper() or kind == "password"
        if kind and _looks_secret(match[group], literal=literal and not called):
            at = match.end(group)
            yield Secret(kind, *match.span(group))


def _kind_of_name(name: str, separator: str) -> str:
    """'password', 'token', ... when a name is that of a secret; '' when it is not."""
    if not separator.strip() and not name.startswith("--"):
        return ""
    words = [word.lower() for word in _HUMP.split(name) if word]
    if not words or words[-1] in _ABOUT:
        return ""
    for before, word in zip(["", *words], words, strict=False):
        if word in _SECRET_WORDS or word.endswith(_SECRET_ENDS):
            return "password" if word.startswith("pass") or word == "pwd" else "token"
        if word in ("key", "keys") and before in _KEYS_OF:
            return "key"
    return ""


def _looks_secret(value: str, *, literal: bool) -> bool:
    """Whether a value is random enough: letters and digits, or both cases and signs."""
    if _PLACEHOLDER.search(value) or _NOT_SECRET.search(value) or " " in value.strip():
        return False
    if not literal and _CODE.search(value) and not _is_mixed(value):
        return False
    has_digit = any(c.isdigit() for c in value)
    has_letter = any(c.isalpha() for c in value)
    has_sign = any(not c.isalnum() and c not in "_-. " for c in value)
    if not has_letter or not (has_digit or (has_sign and _both_cases(value))):
        return False
    return entropy(value) >= LEAST_ENTROPY


def _is_mixed(value: str) -> bool:
    """Whether a word has digits among its letters as no name of code has."""
    return len(value) >= 16 and len(re.findall(r"[A-Za-z][0-9]|[0-9][A-Za-z]", value)) >= 3


def _both_cases(value: str) -> bool:
    return value.lower() != value and value.upper() != value


def entropy(text: str) -> float:
    """Shannon's, in bits a character, of the text by itself."""
    counts = Counter(text)
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values())


def _decoded(text: str) -> Iterator[str]:
    """What the long words of a text say in base64 or in hexadecimal digits."""
    for match in list(_BLOB.finditer(text))[:_MOST_BLOBS]:
        # A slash is a digit of base64, and what stands between the parts of an address.
        for blob in dict.fromkeys([match[0], *match[0].split("/")]):
            for data in (_from_base64(blob), _from_hex(blob)):
                if data:
                    yield data.decode("utf-8", "replace")


def _from_base64(blob: str) -> bytes:
    plain = blob.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4))
    except (binascii.Error, ValueError):
        return b""


def _from_hex(blob: str) -> bytes:
    try:
        return bytes.fromhex(blob)
    except ValueError:
        return b""
