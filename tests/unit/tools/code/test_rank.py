from __future__ import annotations

import pytest

from tools.code.rank import MOST_DEFINERS, Names, rank
from tools.code.scan import scan


def names(path: str, defined: str = "", used: str = "") -> Names:
    return Names(path, defined.split(), used.split())


def test_a_file_that_many_use_comes_before_one_that_none_uses() -> None:
    files = [names("core.py", "open_store"), names("lonely.py", "never_used")]
    files += [names(f"user{n}.py", f"function_{n}", "core open_store") for n in range(5)]
    ranks = rank(files)
    assert sum(ranks.files.values()) == pytest.approx(1)
    assert max(ranks.files, key=ranks.files.__getitem__) == "core.py"
    assert ranks.files["core.py"] > 3 * ranks.files["lonely.py"]
    assert ranks.weight("core.py", "open_store") > ranks.weight("lonely.py", "never_used") > 0


def test_being_used_by_an_important_file_counts_more() -> None:
    files = [names(f"user{n}.py", "", "core open_store") for n in range(5)]
    files += [names("core.py", "open_store", "deep read_block"), names("deep.py", "read_block")]
    files += [names("other.py", "", "side read_page"), names("side.py", "read_page")]
    ranks = rank(files)
    assert ranks.files["deep.py"] > ranks.files["side.py"]


def test_a_name_that_is_defined_everywhere_says_nothing() -> None:
    everywhere = [names(f"m{n}.py", "run_main") for n in range(MOST_DEFINERS + 1)]
    users = [names("user.py", "", "m0 run_main")]
    assert rank(everywhere + users).names == {}
    assert rank(everywhere[1:] + users).names != {}


def test_common_words_private_names_and_strangers_weigh_less() -> None:
    files = [names("core.py", "open_store name _hidden_part"), names("far.py", "make_page")]
    files += [names("user.py", "", "core open_store name _hidden_part make_page")]
    ranks = rank(files).names
    clear = ranks["core.py", "open_store"]
    assert ranks["core.py", "name"] < clear / 2
    assert ranks["core.py", "_hidden_part"] < clear / 2
    assert ranks["far.py", "make_page"] < clear / 2  # user.py does not mention far


def test_a_package_of_go_needs_no_import_of_its_own_files() -> None:
    same = rank([names("a/x.go", "OpenStore"), names("a/y.go", "", "OpenStore ReadPage"),
                 names("b/z.go", "ReadPage")])  # fmt: skip
    assert same.names["a/x.go", "OpenStore"] > 2 * same.names["b/z.go", "ReadPage"]


def test_tests_neither_define_for_others_nor_say_much() -> None:
    files = [names("tests/helpers.py", "open_store"), names("core.py", "open_store make_page")]
    files += [names("user.py", "", "core helpers open_store")]
    files += [names("tests/test_a.py", "", "core make_page")]
    ranks = rank(files).names
    assert ("tests/helpers.py", "open_store") not in ranks
    assert ranks["core.py", "make_page"] < ranks["core.py", "open_store"]


def test_the_order_of_the_files_does_not_matter() -> None:
    files = [
        names(
            f"m{n}.py", f"function_{n} shared_{n % 7}", " ".join(f"function_{k}" for k in range(n))
        )
        for n in range(40)
    ]
    files += [names("all.py", "", " ".join(f"shared_{k} m{k}" for k in range(7)))]
    assert rank(files) == rank(files[::-1]) == rank(files[7:] + files[:7])


def test_nothing_has_no_ranks() -> None:
    assert rank([]).files == {}
    assert rank([names("a.py")]).files == {"a.py": pytest.approx(1)}


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("python", "async def wanted(a):"),
        ("python", "class wanted:"),
        ("python", "wanted: int = 3"),
        ("javascript", "export default function wanted() {"),
        ("javascript", "const wanted = 3"),
        ("typescript", "  private async wanted(a: number): string {"),
        ("typescript", "type wanted = 1"),
        ("rust", "pub(crate) async fn wanted() {"),
        ("go", "func (s *Store) wanted() int {"),
        ("java", "  public static Map<String, Integer> wanted(int a) {"),
        ("c", "static char **wanted(void)"),
        ("c", "#define wanted 3"),
        ("cpp", "int Store::wanted(int a) {"),
        ("ruby", "  def self.wanted"),
        ("bash", "wanted() {"),
        ("csharp", "  public async Task<int> wanted(int a)"),
        ("php", "  public function wanted() {"),
        ("kotlin", "data class wanted(val a: Int)"),
        ("rust", "pub const fn wanted() {"),
        ("cpp", "enum class wanted {"),
        ("java", "enum wanted {"),
    ],
)
def test_the_scan_sees_a_definition_of_each_language(language: str, line: str) -> None:
    found = scan(language, f"{line}\n    return other(3);\n".encode())
    assert "wanted" in found.defined
    assert "other" not in found.defined
    assert {"wanted", "other"} <= set(found.used)


def test_the_scan_leaves_documents_alone() -> None:
    assert scan("markdown", b"# def wanted\n").used == ()
