"""Which URLs can be fetched, and which somebody vouched for."""

from __future__ import annotations

import httpx
import pytest

from mcp_servers.web.addresses import Policy
from mcp_servers.web.errors import WebError
from mcp_servers.web.urls import Known, check, parse, shown


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ftp://a.test/x", "only http"),
        ("file:///etc/passwd", "only http"),
        ("javascript:alert(1)", "only http"),
        ("a.test/x", "only http"),
        ("", "only http"),
        ("http://", "no host"),
        ("http:///x", "no host"),
        ("https://me:secret@a.test/", "password"),
        ("https://me@a.test/", "password"),
        ("https://a.test/a b", "encode"),
        ("https://a.test\\@b.test/", "encode"),
        ("https://a.test/\x00", "encode"),
        ("https://a.test:99999/", "no URL"),
        ("https://a.test:x/", "no URL"),
        ("https://[::1/", "no URL"),
        ("https://a.test/" + "x" * 3000, "characters"),
        ("https://xn--a.test/", "no URL"),
    ],
)
def test_what_is_no_url_of_the_web_is_explained(text: str, words: str) -> None:
    with pytest.raises(WebError, match=words):
        parse(text)


@pytest.mark.parametrize("port", [21, 22, 25, 6379, 8080, 8443])
def test_other_ports_are_refused(port: int) -> None:
    with pytest.raises(WebError, match=f"port {port}"):
        check(parse(f"https://a.test:{port}/"), Policy())


def test_letters_that_look_like_others_show_as_they_are_asked_for() -> None:
    assert shown(parse("https://аpple.test/ä?q=1#x")) == "https://xn--pple-43d.test/%C3%A4?q=1"


def test_a_url_is_known_in_all_its_spellings_and_no_other_is() -> None:
    known = Known()
    known.add_text("see https://a.test/docs/page?x=1, (http://b.test) and **https://c.test/d_e**.")
    for url in ("https://a.test/docs/page?x=1", "http://A.test:80/docs/page?x=1#there",
                "https://b.test/", "http://b.test", "https://c.test/d_e"):  # fmt: skip
        assert known.has(parse(url)), url
    for url in ("https://a.test/docs/page?x=2", "https://a.test/docs", "https://b.test/x",
                "https://a.test:8443/docs/page?x=1", "https://c.test.evil.test/d_e"):  # fmt: skip
        assert not known.has(parse(url)), url


def test_sites_that_the_user_opened_need_no_question() -> None:
    known = Known(["docs.python.org", "*.readthedocs.io"], Policy(frozenset({("::1", 3000)})))
    assert known.has(parse("https://docs.python.org/3/library/"))
    assert known.has(parse("https://x.readthedocs.io/"))
    assert known.has(parse("http://localhost:3000/")) and known.has(parse("http://[::1]:3000/"))
    assert not known.has(parse("https://readthedocs.io/"))
    assert not known.has(parse("https://docs.python.org.evil.test/"))
    assert not known.has(parse("http://localhost:3001/"))


def test_what_is_known_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcp_servers.web.urls.MOST_KNOWN", 3)
    known = Known()
    for number in range(5):
        known.add(f"https://a.test/{number}")
    found = [known.has(httpx.URL(f"https://a.test/{number}")) for number in range(5)]
    assert found == [False, False, True, True, True]
