"""Likely secrets are found by form and by name; what only looks random stays.

The secrets are put together here, so that no scanner takes this file for a leak.
"""

from __future__ import annotations

import base64
import hashlib
import random
import string
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.secrets import contains_secret, find, mask

RANDOM = random.Random(5)


def some(count: int, letters: str = string.ascii_letters + string.digits) -> str:
    return "".join(RANDOM.choice(letters) for _ in range(count))


UPPER = string.ascii_uppercase + "234567"
PEM = "-----BEGIN {0}PRIVATE KEY-----\n{1}\n{1}\n-----END {0}PRIVATE KEY-----"
JWT = f"eyJ{some(30)}.eyJ{some(60)}.{some(43)}"

B64 = base64.b64encode(bytes(range(64))).decode()

BY_FORM = [
    ("private-key", PEM.format("RSA ", some(64))),
    ("private-key", PEM.format("", some(64)).replace("\n", "\\n")),
    ("private-key", "-----BEGIN OPENSSH PRIVATE KEY-----\n" + "\n".join([some(70)] * 4)),
    ("aws", "AKIA" + some(16, UPPER)),
    ("github", "ghp_" + some(36)),
    ("github", "github_pat_" + some(22) + "_" + some(59)),
    ("gitlab", "glpat-" + some(20)),
    ("slack", "xoxb-" + some(12, string.digits) + "-" + some(24)),
    ("google", "AIza" + some(35)),
    ("openai", "sk-proj-" + some(48)),
    ("openai", "sk-" + some(48)),
    ("anthropic", "sk-ant-api03-" + some(90)),
    ("huggingface", "hf_" + some(34)),
    ("stripe", "sk_live_" + some(24)),
    ("npm", "npm_" + some(36)),
    ("jwt", JWT),
]
AROUND = [
    "{}",
    "see {} there",
    'x = "{}"',
    "({})",
    "KEY={}\nnext",
    "https://a.example/?q={}&b=1",
    "'{}',",
]


@pytest.mark.parametrize(("kind", "secret"), BY_FORM)
@pytest.mark.parametrize("around", AROUND)
def test_forms_of_makers(kind: str, secret: str, around: str) -> None:
    text = around.format(secret)
    digest = hashlib.sha256(secret.encode()).hexdigest()[:4]
    assert mask(text) == around.format(f"[secret:{kind}:{digest}]")


VALUE = "pZ8q" + some(20)
HEX = hashlib.md5(b"x").hexdigest()


@pytest.mark.parametrize(
    "text",
    [
        f"API_KEY={VALUE}",
        f"export AWS_SECRET_ACCESS_KEY={some(30)}/{some(9)}+",
        f'"token": "{VALUE}"',
        f"client_secret: {VALUE}",
        f"apiKey = '{VALUE}';",
        f"db.password={VALUE}",
        f"--token {VALUE}",
        f"--password={VALUE}",
        f"X-Api-Key: {VALUE}",
        f"GITHUB_TOKEN={HEX}",
        f"secretKey => '{VALUE}'",
        f"AccountKey={some(60)}/{some(20)}==;EndpointSuffix=x",
        "DB_PASSWORD=hunter2hunter2",
        'PASSWORD="correct9 horse".'.replace(" ", "-"),
        f"dbpassword: {VALUE}",
        f"?access_token={VALUE}&x=1",
        f"HEROKU_API_KEY={uuid.UUID(int=0x1234567890ABCDEF1234567890ABCDEF)}",
    ],
)
def test_names_that_say_so(text: str) -> None:
    assert len(find(text)) == 1
    (secret,) = find(text)
    assert "=" not in text[: secret.start].rstrip("=:> '\"") or "?" in text
    assert text[secret.start : secret.end] not in mask(text)
    # The name stays, so that one can see what it was.
    assert mask(text).startswith(text[: secret.start])


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"Authorization: Bearer {VALUE}", VALUE),
        (f"curl -H 'authorization: Basic {VALUE}='", VALUE),
        (f'"Authorization": "token {VALUE}"', VALUE),
        (f"bearer {VALUE}", VALUE),
        ("postgres://app:s3cr3t-word@db.example:5432/x", "s3cr3t-word"),
        ("git clone https://me:" + "letmein!" + "@git.example/x.git", "letmein!"),
        ("redis://:abcdef@cache/0", "abcdef"),
    ],
)
def test_headers_and_addresses(text: str, secret: str) -> None:
    assert secret in text and secret not in mask(text)


@pytest.mark.parametrize(
    "text",
    [
        f"commit {hashlib.sha1(b'x').hexdigest()}",
        f"{hashlib.sha256(b'x').hexdigest()}  file.txt",
        f"id: {uuid.UUID(int=2**100)}",
        f'"integrity": "sha512-{B64}"',
        f"data:image/png;base64,{B64 * 20}",
        'name = "js-tokens"\nversion = "4.0.0"',
        '"js-tokens": "^3.0.0 || ^4.0.0"',
        "max_tokens: 32768",
        "tokenizer=Qwen2.5-Coder-1.5B",
        "token_count=1234567890",
        "secret_name: prod/db-main-1",
        "password = os.environ['DB_PASSWORD_9']",
        "token = self.session.token2",
        "API_KEY=$OTHER_KEY_1",
        "password: ${DB_PASSWORD_1}",
        "PASSWORD=<your-password-1>",
        'api_key="your-api-key-1"',
        "password: changeme123",
        "token = get_token_v2(request)",
        "key=value",
        "primary_key=order_id_1",
        "https://example.org:8080/a@b",
        "ssh://git@host/x.git",
        "https://user:${TOKEN}@host/",
        "password_file=/run/secrets/db1",
        "token_url=https://a.example/oauth2/t0ken",
        "sk-learn-is-no-key",
        f'content-hash = "{hashlib.sha256(b"y").hexdigest()}"',
        "hf_hub_download",
        "AKIA is a prefix",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "def token(self) -> Token1:",
        "-----BEGIN PRIVATE KEY-----",
        "next_token: str | None = None",
        "key: Callable[[int], str9]",
        f"github.com/x/y v1.2.3 h1:{B64}",
        "the password is wrong",
        "token: 'aaaa1111aaaa1111'",
    ],
)
def test_what_only_looks_like_one(text: str) -> None:
    assert mask(text) == text


@given(st.text(max_size=300))
def test_masking_twice_changes_nothing(text: str) -> None:
    assert mask(mask(text)) == mask(text)


@pytest.mark.parametrize(("_kind", "secret"), BY_FORM)
def test_masking_a_secret_twice_changes_nothing(_kind: str, secret: str) -> None:
    once = mask(f"token={secret} and password: {VALUE}")
    assert secret not in once and VALUE not in once and mask(once) == once


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/?x={}",
        "https://a.example/{}/y",
        "https://{}.example/",
        "https://a.example/#{}",
    ],
)
@pytest.mark.parametrize("how", ["plain", "percent", "twice", "base64", "url base64", "hex"])
def test_secrets_in_addresses(url: str, how: str) -> None:
    secret = "ghp_" + some(36)
    percent = "".join(f"%{ord(c):02X}" for c in secret)
    forms = {
        "plain": secret,
        "percent": percent,
        "twice": percent.replace("%", "%25"),
        "base64": base64.b64encode(secret.encode()).decode(),
        "url base64": base64.urlsafe_b64encode(secret.encode()).decode().rstrip("="),
        "hex": secret.encode().hex(),
    }
    assert contains_secret(url.format(forms[how])) == "github"


def test_addresses_without_secrets() -> None:
    for url in (
        "https://example.org/search?q=token+bucket&page=2",
        f"https://github.com/a/b/commit/{hashlib.sha1(b'z').hexdigest()}",
        "https://files.example/a%20b.pdf",
        "https://docs.python.org/3/library/secrets.html#secrets.token_hex",
        "",
    ):
        assert contains_secret(url) == ""


def test_a_megabyte_without_a_break_takes_no_time_that_grows() -> None:
    """Each of these has no end that a form looks for."""
    for text in (
        "A" * 1_000_000,
        "token" * 200_000,
        "-----BEGIN PRIVATE KEY-----" * 5_000,
        "eyJ" * 300_000,
        "a://" * 250_000,
        "key=" * 250_000,
        "_" * 1_000_000,
        "bearer " * 100_000,
    ):
        assert isinstance(mask(text), str)
