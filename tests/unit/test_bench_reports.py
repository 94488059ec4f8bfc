"""Which functions a patch changes: the answers of the benchmark over bug reports."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.code_search_reports import fixed

OLD = """\
import os


class Cart:
    def add(self, item):
        self.items.append(item)

    @property
    def total(self):
        return 0


def last():
    return 1
"""


def patch(path: str, *hunks: str) -> str:
    return f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n" + "".join(hunks)


@pytest.mark.parametrize(
    ("hunk", "names"),
    [
        ("@@ -9,2 +9,2 @@\n     def total(self):\n-        return 0\n+        return 1\n",
         {"Cart.total"}),
        # The numbers may be of another version: the text decides.
        ("@@ -90,2 +90,3 @@\n     def add(self, item):\n+        print(item)\n"
         "         self.items.append(item)\n", {"Cart.add"}),
        ("@@ -8,2 +8,2 @@\n-    @property\n+    @cached_property\n     def total(self):\n",
         {"Cart.total"}),
        # What is new stands in no function that was there.
        ("@@ -13,2 +13,5 @@\n def last():\n     return 1\n+\n+def more():\n+    return 2\n", set()),
        ("@@ -1,1 +1,2 @@\n import os\n+import re\n", set()),
    ],
)  # fmt: skip
def test_the_function_around_each_changed_line(tmp_path: Path, hunk: str, names: set[str]) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/cart.py").write_text(OLD)
    found = fixed(tmp_path, patch("src/shop/cart.py", hunk) + patch("docs/a.rst", "@@ -1 +1 @@\n"))
    assert found == {("shop/cart.py", name) for name in names}


def test_a_patch_of_another_text_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(OLD)
    with pytest.raises(ValueError, match="empty"):
        fixed(tmp_path, patch("a.py", "@@ -1,1 +1,1 @@\n-import sys\n+import re\n"))
