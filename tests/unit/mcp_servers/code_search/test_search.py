"""What is found, by words, names, tracebacks, and in documents."""

from __future__ import annotations

from pathlib import Path

import pytest
from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from mcp_servers.code_search.service import CodeSearch, SearchError
from tests.unit.mcp_servers.code_search.conftest import Names, Write

CART = '''"""The cart."""


class Cart:
    """Items that a customer wants."""

    def add(self, item, count=1):
        """Put an item in."""
        self.items[item] = count

    def total_price(self, discountCode=None):
        rate = vat_rate(discountCode)
        return sum(price * rate for price in self.items)


def vat_rate(code):
    """What the state takes."""
    return 1.19
'''
MAIL = '''
def send_receipt(address):
    """Write to a customer."""
    if "@" not in address:
        raise ValueError(f"the address {address} has no at sign in it")


def add(a, b):
    return a + b
'''


PAY = "def pay_pelican(bill):\n    return bill\n"


@pytest.fixture(autouse=True)
def project(write: Write) -> None:
    write({
        "shop/cart.py": CART, "shop/mail.py": MAIL,
        "extern/mail.py": MAIL.replace("Write to a", "Receipt for the address of a"),
        "lib/test/pay.py": PAY + "    return pelican(pelican)\n",
        "shop/pay.py": PAY,
        "shop/sign.py": "def sign_at_no():\n    return 'at in it sign: no sign, at no sign in'\n",
        "tests/test_cart.py": "def test_total_price():\n    assert Cart().total_price() == 0\n",
        "web/cart.ts": "export class Basket {\n  emptyBasket(): void { this.clearAll() }\n}\n",
        "docs/guide.md": "# Guide\n\nText.\n\n## Refunds\n\nHow money goes back: by giraffe.\n",
        "docs/old.rst": "Old guide\n=========\n\nAn okapi.\n\nOther part\n----------\n\nA zebra.\n",
    })  # fmt: skip


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("total price", "Cart.total_price"),
        ("totalPrice", "Cart.total_price"),
        ("where is the price totalled", "Cart.total_price"),
        ("discount code", "Cart.total_price"),
        ("`vat_rate`", "vat_rate"),
        ("Cart.add", "Cart.add"),
        ("mail.add", "add"),
        ("empty the basket", "Basket.emptyBasket"),
        ("clear_all", "Basket.emptyBasket"),
        ("Cart", "Cart"),
        ("vat_rate", "vat_rate"),
        ("add", "add"),
        ("refunds", "Guide > Refunds"),
        ("giraffe", "Guide > Refunds"),
        ("okapi", "Old guide"),
        ("zebra", "Other part"),
    ],
)
def test_names_words_and_sections_are_found(names: Names, query: str, first: str) -> None:
    assert names(query)[0] == first


def test_a_traceback_says_which_function_is_meant(search: CodeSearch) -> None:
    text = """
It crashes when I buy something
I cannot buy a cart.

```
Traceback (most recent call last):
  File "/home/me/run.py", line 3, in <module>
    add(1, 2)
  File "/usr/lib/python3/site-packages/shop/mail.py", line 9, in add
    return a + b
TypeError: unsupported operand
```
"""
    first = search.search(text, 1).hits[0]
    assert (first.row.path, first.row.qualified) == ("shop/mail.py", "add")
    assert "in the traceback" in first.why


def test_the_words_of_a_message_are_found_where_they_stand(search: CodeSearch) -> None:
    text = 'Wrong text\nI get "bob has no at sign in it"'
    first = search.search(text, 1).hits[0].row
    assert (first.path, first.qualified) == ("shop/mail.py", "send_receipt")


def test_tests_and_vendored_code_come_later(search: CodeSearch) -> None:
    paths = [hit.row.path for hit in search.search("receipt address", 5).hits]
    assert paths.index("shop/mail.py") < paths.index("extern/mail.py")
    paths = [hit.row.path for hit in search.search("pelican", 9).hits]
    assert paths == ["shop/pay.py", "lib/test/pay.py"]


def test_what_the_best_ones_call_is_found_too(names: Names) -> None:
    assert "vat_rate" in names("total price")


def test_machine_tables_and_comments_of_a_report_say_nothing(names: Names) -> None:
    text = "It is wrong\n<!-- vat rate of the state -->\nRefunds.\n\n## System info\nsend_receipt\n"
    assert {"vat_rate", "send_receipt"}.isdisjoint(names(text))
    assert "send_receipt" in names(text.replace("## System info", ""))


@pytest.mark.parametrize(
    "query", ['"', "a AND (", "NEAR(", "*", "col:x", "'; DROP", "\0", "日本", "?"]
)
def test_no_query_is_an_error(search: CodeSearch, query: str) -> None:
    search.search(query, 5)


def test_an_empty_query_is_refused(search: CodeSearch) -> None:
    with pytest.raises(SearchError, match="empty"):
        search.search(" \n", 5)


def pdf(*pages: str) -> bytes:
    """A PDF with a line of text a page."""
    import io

    writer = PdfWriter()
    for text in pages:
        page = writer.add_blank_page(width=300, height=300)
        font = DictionaryObject({
            NameObject("/Type"): NameObject("/Font"), NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
        })  # fmt: skip
        fonts = DictionaryObject({NameObject("/F1"): font})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        stream = DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 20 200 Td ({text}) Tj ET".encode())
        page[NameObject("/Contents")] = writer._add_object(stream)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_the_page_of_a_pdf_is_found(search: CodeSearch, write: Write) -> None:
    write({"docs/paper.pdf": pdf("nothing here", "about the platypus")})
    row = search.search("platypus", 1).hits[0].row
    assert (row.path, row.kind, row.first_line) == ("docs/paper.pdf", "page", 2)


def test_a_definition_comes_with_its_text(search: CodeSearch) -> None:
    found = search.definition("Cart.add")
    assert [row.qualified for row in found.rows] == ["Cart.add"]
    assert found.source.lstrip().startswith("def add(self, item, count=1):")
    assert {row.path for row in search.definition("add").rows} == {
        "shop/cart.py", "shop/mail.py", "extern/mail.py",
    }  # fmt: skip
    assert search.definition("shop/mail.py#add").rows[0].path == "shop/mail.py"
    assert search.definition("cart.vat_rate()").rows[0].qualified == "vat_rate"
    assert search.definition("VAT_RATE").rows[0].qualified == "vat_rate"
    with pytest.raises(SearchError, match="'nothing_like_it'"):
        search.definition("nothing_like_it")


def test_references_are_lines_with_what_is_around_them(search: CodeSearch) -> None:
    uses, more = search.references("vat_rate")
    assert [(use.path, use.line, use.inside, more) for use in uses] == [
        ("shop/cart.py", 12, "Cart.total_price", 0)
    ]
    assert uses[0].text == "rate = vat_rate(discountCode)"
    uses, _ = search.references("Cart")
    assert [use.path for use in uses] == ["tests/test_cart.py"]
    with pytest.raises(SearchError):
        search.references("nobody_uses_it")


def test_outlines(search: CodeSearch) -> None:
    assert search.outline("shop/cart.py").split("\n")[:3] == [
        "shop/cart.py", "4 class Cart", "  7 def add(self, item, count=1)",
    ]  # fmt: skip
    assert "total_price" in search.outline() and "emptyBasket" in search.outline("web")
    with pytest.raises(SearchError):
        search.outline("shop/none.py")
    with pytest.raises(SearchError):
        search.outline("../../etc/passwd")


def test_chunks_are_read_by_path_and_name(search: CodeSearch, root: Path) -> None:
    assert search.chunk("docs/guide.md", "Guide > Refunds").startswith("## Refunds")
    (root / "shop/cart.py").write_text("# moved down\n\n" + CART)
    assert search.chunk("shop/cart.py", "vat_rate").startswith("def vat_rate(code):")
    with pytest.raises(SearchError):
        search.chunk("shop/cart.py", "nothing")


def test_an_index_of_no_files_finds_nothing(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "empty").mkdir()
    empty = CodeSearch(tmp_path / "empty", cache)
    assert empty.search("anything", 5).hits == ()
    gone = CodeSearch(tmp_path / "gone", cache)
    with pytest.raises(SearchError):
        gone.search("anything", 5)
