"""Definitions and references of every language, from real grammars."""

from __future__ import annotations

import pytest

from tools.code.languages import SUFFIXES, WHEELS, language_of, load
from tools.code.signatures import LONGEST
from tools.code.symbols import Definition, parse

SOURCES: dict[str, str] = {
    "python": '''\
LIMIT: int = 3


class Store(Base):
    """Keeps things."""

    @property
    def size(self, unit="kb") -> int:
        """How much
        there is."""
        def inner(): ...
        return helper(f"a {LIMIT} word")  # comment


type Pair = tuple[int, int]
''',
    "javascript": """\
export const LIMIT = 3;
/** Keeps things. */
class Store extends Base {
  size(unit = 'kb') { return helper(`a ${LIMIT} word`); } // comment
}
const twice = (value) => { return value * 2; };
function* numbers() {}
module.exports.start = function () {};
""",
    "typescript": """\
export interface Shape { area(unit: string): number; }
type Pair = [number, number];
enum Colour { Red }
/** Keeps things. */
export abstract class Store<T> { abstract size(unit: string): number; }
namespace Inner { export const twice = (value: number): number => { return helper('word'); } }
""",
    "tsx": "export function Page() { return <Panel title='word'>word {helper(LIMIT)}</Panel>; }\n",
    "rust": """\
/// Keeps things.
#[derive(Debug)]
pub struct Store<T> { items: Vec<T> }
impl<T> Store<T> {
    pub fn size(&self, unit: &str) -> usize { helper("word", LIMIT) /* comment */ }
}
trait Shape { fn area(&self) -> f64; }
enum Colour { Red }
const LIMIT: usize = 3;
macro_rules! twice { () => {} }
mod inner { fn deep() {} }
""",
    "go": """\
package main

// Store keeps things.
type Store struct{ items []int }

type Shape interface{ Area() float64 }

const LIMIT = 3

var first, second = 1, 2

func (s *Store) Size(unit string) int { return helper("word", LIMIT) }

func twice[T any](value T) T { return value }
""",
    "java": """\
package shop;

/** Keeps things. */
@Entity("word")
public class Store<T> extends Base {
    public Store(int first) {}
    @Override
    public int size(String unit) { return helper("word", LIMIT); } // comment
}
interface Shape {}
enum Colour { RED }
record Pair(int a, int b) {}
""",
    "c": """\
#define LIMIT 3
/* Keeps things. */
struct store { int items; };
typedef struct { int a; } pair;
enum colour { RED };
static char **twice(const char *value) { return helper("word", LIMIT); }
int size(struct store *of);
""",
    "cpp": """\
namespace shop {
/// Keeps things.
template <class T> class Store : public Base {
 public:
  Store();
  int size(const char *unit) const;
};
int Store::size(const char *unit) const { Store local(unit); return helper("word", LIMIT); }
}
using Pair = int;
""",
    "ruby": """\
# Keeps things.
class Store < Base
  LIMIT = 3
  def size(unit = 'word')
    helper("a #{unit} word", LIMIT)
  end
  def self.empty?; end
end
module Inner; end
""",
    "bash": """\
#!/bin/sh
LIMIT=3
# Keeps things.
twice() {
  helper "word" 'word' "$LIMIT"
}
function print-all { twice; }
""",
    "csharp": """\
namespace Shop;
/// <summary>Keeps things.</summary>
[Entity("word")]
public class Store : Base {
    public Store(int first) {}
    public int Size { get; set; }
    public async Task<int> Twice(string unit) { return helper("word", LIMIT); }
}
interface IShape {}
record Pair(int A, int B);
""",
    "php": """\
<html>word<?php
const LIMIT = 3;
/** Keeps things. */
class Store extends Base {
  public function size(string $unit): int { return helper("word", LIMIT); }
}
interface Shape {} trait Inner {}
function twice() {}
""",
    "kotlin": """\
/** Keeps things. */
data class Store(val items: Int) : Base() {
  fun size(unit: String): Int = helper("word", LIMIT)
}
interface Shape
object Single
typealias Pair2 = List<Int>
val LIMIT = 3
""",
}
# Qualified name -> kind; what else is found is wrong.
EXPECTED: dict[str, dict[str, str]] = {
    "python": {
        "LIMIT": "constant", "Store": "class", "Store.size": "method",
        "Store.size.inner": "function", "Pair": "type",
    },
    "javascript": {
        "LIMIT": "constant", "Store": "class", "Store.size": "method", "twice": "function",
        "numbers": "function", "start": "function",
    },
    "typescript": {
        "Shape": "interface", "Shape.area": "method", "Pair": "type", "Colour": "enum",
        "Store": "class", "Store.size": "method", "Inner": "module", "Inner.twice": "function",
    },
    "tsx": {"Page": "function"},
    "rust": {
        "Store": "struct", "Store.size": "method", "Shape": "trait", "Shape.area": "method",
        "Colour": "enum", "LIMIT": "constant", "twice": "macro", "inner": "module",
        "inner.deep": "function",
    },
    "go": {
        "Store": "struct", "Shape": "interface", "LIMIT": "constant", "first": "variable",
        "second": "variable", "Store.Size": "method", "twice": "function",
    },
    "java": {
        "Store": "class", "Store.Store": "method", "Store.size": "method", "Shape": "interface",
        "Colour": "enum", "Pair": "class",
    },
    "c": {
        "LIMIT": "macro", "store": "struct", "pair": "type", "colour": "enum",
        "twice": "function", "size": "function",
    },
    "cpp": {
        "shop": "module", "shop.Store": "class", "shop.Store.Store": "method",
        "shop.Store.size": "method", "Pair": "type",
    },
    "ruby": {
        "Store": "class", "Store.LIMIT": "constant", "Store.size": "method",
        "Store.empty?": "method", "Inner": "module",
    },
    "bash": {"LIMIT": "variable", "twice": "function", "print-all": "function"},
    "csharp": {
        "Store": "class", "Store.Store": "method", "Store.Size": "property",
        "Store.Twice": "method", "IShape": "interface", "Pair": "class",
    },
    "php": {
        "LIMIT": "constant", "Store": "class", "Store.size": "method", "Shape": "interface",
        "Inner": "trait", "twice": "function",
    },
    "kotlin": {
        "Store": "class", "Store.size": "method", "Shape": "interface", "Single": "class",
        "Pair2": "type", "LIMIT": "constant",
    },
}  # fmt: skip
SIGNATURES: dict[str, tuple[str, str]] = {
    "python": ("Store.size", 'def size(self, unit="kb") -> int'),
    "javascript": ("twice", "twice = (value) =>"),
    "typescript": ("Inner.twice", "twice = (value: number): number =>"),
    "tsx": ("Page", "function Page()"),
    "rust": ("Store.size", "pub fn size(&self, unit: &str) -> usize"),
    "go": ("Store", "type Store struct"),
    "java": ("Store.size", "public int size(String unit)"),
    "c": ("twice", "static char **twice(const char *value)"),
    "cpp": ("shop.Store", "template <class T> class Store : public Base"),
    "ruby": ("Store.size", "def size(unit = 'word')"),
    "bash": ("print-all", "function print-all"),
    "csharp": ("Store", "public class Store : Base"),
    "php": ("LIMIT", "const LIMIT = 3"),
    "kotlin": ("Store", "data class Store(val items: Int) : Base()"),
}


def definition(language: str, source: str, qualified: str) -> Definition:
    found = [d for d in parse(language, source.encode()).definitions if d.qualified == qualified]
    return found[0]


def test_every_language_has_a_row_here() -> None:
    assert set(WHEELS) == set(SOURCES) == set(EXPECTED) == set(SIGNATURES)
    assert set(SUFFIXES.values()) == {*WHEELS, "markdown"}


@pytest.mark.parametrize("language", SOURCES)
def test_definitions_have_their_names_and_kinds(language: str) -> None:
    found = parse(language, SOURCES[language].encode()).definitions
    assert {each.qualified: each.kind for each in found} == EXPECTED[language]
    assert all(each.qualified.endswith(each.name) for each in found)


@pytest.mark.parametrize("language", SOURCES)
def test_a_signature_is_one_line_without_the_body(language: str) -> None:
    qualified, signature = SIGNATURES[language]
    assert definition(language, SOURCES[language], qualified).signature == signature


@pytest.mark.parametrize("language", sorted(SOURCES.keys() - {"tsx", "c"}))
def test_what_is_said_about_a_type_is_its_docstring(language: str) -> None:
    found = parse(language, SOURCES[language].encode()).definitions
    said = [each.docstring for each in found if each.name in ("Store", "twice")]
    assert said[0] in ("Keeps things.", "Store keeps things.")
    assert {each.docstring for each in found} <= {"", said[0], "How much\nthere is."}


@pytest.mark.parametrize("language", SOURCES)
def test_uses_are_references_and_prose_is_not(language: str) -> None:
    symbols = parse(language, SOURCES[language].encode())
    lines = SOURCES[language].split("\n")
    names = {each.name for each in symbols.references}
    assert "helper" in names
    assert not names & {"word", "comment", "return"}
    assert all(each.name in lines[each.line - 1] for each in symbols.references)
    assert len(set(symbols.references)) == len(symbols.references)


def test_a_definition_is_no_reference_to_itself() -> None:
    source = b"def alone():\n    pass\n\ndef used():\n    used()\n"
    assert [(r.name, r.line) for r in parse("python", source).references] == [("used", 5)]


def test_lines_are_counted_from_one_and_include_the_last() -> None:
    found = definition("python", SOURCES["python"], "Store.size")
    assert (found.first_line, found.last_line) == (8, 12)
    assert found.docstring == "How much\nthere is."


def test_a_method_of_go_belongs_to_its_receiver_also_when_it_is_generic() -> None:
    source = "package a\nfunc (b *Box[T]) Open() {}\nfunc (b Box) Shut() {}\n"
    found = parse("go", source.encode()).definitions
    assert [each.qualified for each in found] == ["Box.Open", "Box.Shut"]


def test_a_variable_that_cpp_reads_as_a_prototype_is_left_out() -> None:
    source = "int outer() { Widget local(); return 1; }\nint proto(int value);\n"
    found = parse("cpp", source.encode()).definitions
    assert [each.name for each in found] == ["outer", "proto"]


def test_a_long_parameter_list_is_cut() -> None:
    source = f"def wide({', '.join(f'parameter_{n}' for n in range(100))}):\n    pass\n"
    found = definition("python", source, "wide").signature
    assert len(found) == LONGEST
    assert found.endswith("…")


def test_headings_of_markdown_are_definitions() -> None:
    source = (
        "# Guide\n\nUse `make_all(x)`.\n\n```sh\n# no heading\n```\n\n## Install\ntext\n# End\n"
    )
    symbols = parse("markdown", source.encode())
    found = [(d.qualified, d.first_line, d.last_line) for d in symbols.definitions]
    assert found == [("Guide", 1, 10), ("Guide > Install", 9, 10), ("End", 11, 11)]
    assert [(r.name, r.line) for r in symbols.references] == [("make_all", 3)]


def test_a_suffix_says_the_language() -> None:
    assert language_of("a/B.PY") == "python"
    assert language_of("a.h") == "cpp"
    assert language_of("README.md") == "markdown"
    assert language_of("a.unknown") == language_of("Makefile") == language_of("") == ""


def test_an_unknown_language_has_no_symbols() -> None:
    assert parse("cobol", b"x").definitions == ()
    with pytest.raises(KeyError):
        load("cobol")
