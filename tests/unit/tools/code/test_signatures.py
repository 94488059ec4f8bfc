# ruff: noqa: E501
"""Signatures of what is written with decorators, comments, braces and over many lines."""

from __future__ import annotations

import pytest

from tools.code.languages import WHEELS
from tools.code.symbols import parse

SOURCES: dict[str, str] = {
    "python": '''\
@cache(
    size={"a": 1},  # why
)
@other
async def fetch[T](  # all of it
    url: str,
    # the headers
    headers: dict[str, str] = {"a": "b"},
    *,
    key=lambda x: x[1:],  # : not the end
) -> dict[
    str, T
]:  # noqa
    # first comment
    # second one
    """Fetch it."""
    return 1

def plain():
    # only a comment
    return 1

def one(): return 1

def texts(sep="# no comment", other='a: b'):  # comment
    # more
    pass

class Store(Base, metaclass=Meta):  # kept
    # comment first
    """Keeps."""
    LIMIT = 3

LIMITS = {
    "a": 1,
}
''',
    "javascript": """\
/** Fetches. */
export async function fetch(url, { a = 1, b = {} } = {}, /* inner */ ...rest) {
  // first
  return 1;
}
const twice = async (
  value, // one
  options = { deep: { x: 1 } },
) => {
  // body
  return 1;
};
class Store extends mixin(Base, { a: 1 }) { // kept
  // first
  static async *walk(url = "{") {
    // x
  }
  get size() { /* x */ return 1; }
  #hidden(a) {}
}
const half = v => v / 2;
const table = { run(a) { }, stop: function (b) { }, go: (c) => { } };
""",
    "typescript": """\
@Component({
  selector: "app", // x
})
export class Store<T extends { a: number }> extends Base<T> implements A, B {
  // first
  @Input() size(unit: string = "{", other: { a: number } = { a: 1 }): { b: string } {
    // body
    return 1;
  }
  constructor(private readonly a: string) { super(); }
  private run = async <T,>(x: T): Promise<{ a: T }> => {
    return x;
  };
}
export interface Shape<T = {}> extends Other { // x
  area(unit: { a: string }): { b: number }; // y
}
type Pair = { a: number };
type Fn = (a: { b: string }) => void;
export function over(a: string): void;
export function over(a: any /* any */): void { }
enum Colour { Red }
export const make = <T,>(
  a: T, // first
): { a: T } => {
  return a;
};
""",
    "rust": """\
/// Fetches.
#[inline]
#[cfg(all(feature = "a", not(test)))]
pub async fn fetch<'a, T: Into<String>>(
    url: &'a str, // the url
    /* inner */ f: impl Fn(u8) -> u8,
) -> Result<Vec<T>, Error>
where
    T: Clone, // why
{
    // body
    1
}
pub struct Store<T = Vec<u8>> where T: Clone { // x
    items: Vec<T>,
}
pub struct Tuple(pub u8, u16);
impl<T> Store<T> {
    // x
    fn size(&self) -> [u8; { 1 + 2 }] { }
}
pub trait Shape: Clone + Send { fn area(&self) -> f64; fn other(&self) -> u8 { /* x */ 1 } }
pub enum Colour<T> { Red(T) }
const TABLE: &[(&str, u8)] = &[("a", 1)];
macro_rules! twice { () => {} }
""",
    "go": """\
package a
// Fetch gets.
func Fetch[K comparable, V int | float64](
	ctx context.Context, // the context
	opts struct{ A int },
	f func(a int) (int, error),
) (res map[K]V, err error) {
	// body
	return
}
type Store[T any] struct { // x
	items []T
}
func (s *Store[T]) Size(/* none */) interface{} { // y
	return 1
}
type Shape interface { Area() float64 }
type Handler func(w Writer, r *Request)
""",
    "java": """\
/** Fetches. */
@Entity(name = "a", value = {"x", "y"})
@Other
public abstract class Store<T extends Comparable<T>> extends Base<T> implements A, B { // x
    // first
    @Override
    @SuppressWarnings({"a", "b"})
    public <K> Map<K, List<T>> size(
        @NotNull final String unit, // unit
        /* other */ int... rest
    ) throws IOException, B {
        // body
        return null;
    }
    public Store(int a) { }
    abstract void none(String a);
}
@interface Marker { String value() default "{"; }
record Pair<A>(A a, int b) implements C { }
enum Colour implements D { RED { void x() {} }; }
""",
    "c": """\
/* Fetches. */
static inline __attribute__((noinline)) const char *
fetch(const char *url, /* the url */
      int (*callback)(void *, int), // cb
      struct { int a; } *opts)
{
    /* body */
    return 0;
}
int old(a, b) int a; char *b; { return 1; }
struct store { int items; };
int size(struct store *of); // x
#define TWICE(x) do { \\
  x; } while (0)
""",
    "cpp": """\
namespace shop { // x
/// Fetches.
template <typename T, int N = (1 > 2)>
requires std::integral<T>
[[nodiscard]] inline auto fetch(
    const std::string &url = "{", // the url
    std::vector<int> v = {1, 2},
    std::function<void(int)> f = [](int a) { return a; }) noexcept -> std::map<int, T> {
  // body
  return {};
}
template <class T> class Store final : public Base<T>, private B { // y
 public:
  explicit Store(int a) : a_{a}, b_(1) { /* x */ }
  // inner
  int size(const char *unit = "x") const override { return 1; }
  bool operator==(const Store &o) const = default;
  virtual void none() = 0;
  int a_{1};
};
}
""",
    "ruby": """\
# Keeps.
class Store < Base # x
  # first
  def size(unit = "a", *rest, key: { a: 1 }, **opts, &block) # y
    # body
    1
  end
  def bare
    # c
    2
  end
  def no_parens a, b = {}
    3
  end
  def self.make(
    a, # one
    b
  )
    4
  end
  def short(a) = a + 1
  private def hidden; end
end
""",
    "bash": """\
# Twice.
twice() { # x
  # body
  echo 1
}
function print-all { # y
  twice
}
function both () {
  # x
  echo
}
""",
    "csharp": """\
namespace Shop;
/// <summary>Keeps.</summary>
[Entity("a", Values = new[] { 1, 2 })]
[Other]
public sealed class Store<T> : Base<T>, IShape where T : class, new() // x
{
    // first
    [Route("a/{id}")]
    public async Task<Dictionary<string, T>> Size<K>(
        [FromBody] string unit = "{", // unit
        /* other */ params int[] rest) where K : struct
    {
        // body
        return null;
    }
    public int Count { get; set; } = 3;
    public string Name => "a";
    public int Twice(int a) => a * 2;
    public Store(int a) : base(a) { }
}
public record Pair(int A, int B);
public interface IShape { double Area(string unit); }
""",
    "php": """\
<?php
/** Keeps. */
#[Entity(name: "a", values: [1, 2])]
final class Store extends Base implements A, B // x
{
  // first
  #[Route("/a/{id}")]
  public static function size(
    string $unit = "{", // unit
    ?array $opts = ["a" => [1]],
    #[Sensitive] int ...$rest
  ): ?array {
    // body
    return null;
  }
  abstract protected function none(): void;
}
function twice(callable $f = null) /* x */ { }
enum Suit: string implements C { case A = "a"; }
""",
    "kotlin": """\
/** Keeps. */
@Entity(name = "a")
@Other
data class Store<T : Any>(
  val items: List<T> = listOf(), // items
  private val f: (Int) -> Unit = { it + 1 },
) : Base<T>(1), Shape { // x
  // first
  @Deprecated("x")
  override suspend fun <K> size(
    unit: String = "{", // unit
    block: (K) -> Unit = { },
  ): Map<K, List<T>> where K : Any {
    // body
    return 1
  }
  fun twice(a: Int) = a * 2
  fun typed(a: Int): Int = // why
    a
  abstract fun none(a: Int): Int
}
interface Shape<T> { fun area(): Double }
enum class Colour(val a: Int) { RED(1) }
object Single : Base() { }
fun String.ext(a: Int): String { return "" }
""",
    "tsx": """\
export default function Page({ title, children }: { title: string; children: Node } /* x */): JSX.Element {
  // body
  return <a>{1}</a>;
}
export const Row: FC<Props> = ({ a = {}, b }) => <b>{a}</b>;
""",
}
EXPECTED: dict[str, dict[str, str]] = {
    "python": {
        'fetch': 'async def fetch[T](url: str, headers: dict[str, str] = {"a": "b"}, *, key=lambda x: x[1:]) -> dict[str, T]',
        'plain': 'def plain()',
        'texts': 'def texts(sep="# no comment", other=\'a: b\')',
        'Store': 'class Store(Base, metaclass=Meta)',
        'LIMITS': 'LIMITS',
    },
    "javascript": {
        'fetch': 'async function fetch(url, { a = 1, b = {} } = {}, ...rest)',
        'twice': 'twice = async (value, options = { deep: { x: 1 } }) =>',
        'Store': 'class Store extends mixin(Base, { a: 1 })',
        'Store.walk': 'static async *walk(url = "{")',
        'stop': 'stop: function (b)',
    },
    "typescript": {
        'Store': 'class Store<T extends { a: number }> extends Base<T> implements A, B',
        'Store.size': 'size(unit: string = "{", other: { a: number } = { a: 1 }): { b: string }',
        'Store.run': 'private run = async <T,>(x: T): Promise<{ a: T }> =>',
        'Shape.area': 'area(unit: { a: string }): { b: number }',
        'Fn': 'type Fn = (a: { b: string }) => void',
        'make': 'make = <T,>(a: T): { a: T } =>',
    },
    "rust": {
        'fetch': "pub async fn fetch<'a, T: Into<String>>(url: &'a str, f: impl Fn(u8) -> u8) -> Result<Vec<T>, Error> where T: Clone",
        'Store': 'pub struct Store<T = Vec<u8>> where T: Clone',
        'Tuple': 'pub struct Tuple(pub u8, u16)',
        'Store.size': 'fn size(&self) -> [u8; { 1 + 2 }]',
        'TABLE': 'const TABLE: &[(&str, u8)] = &[("a", 1)]',
    },
    "go": {
        'Fetch': 'func Fetch[K comparable, V int | float64](ctx context.Context, opts struct{ A int }, f func(a int) (int, error)) (res map[K]V, err error)',
        'Store': 'type Store[T any] struct',
        'Store.Size': 'func (s *Store[T]) Size() interface{}',
        'Handler': 'type Handler func(w Writer, r *Request)',
    },
    "java": {
        'Store': 'public abstract class Store<T extends Comparable<T>> extends Base<T> implements A, B',
        'Store.size': 'public <K> Map<K, List<T>> size(@NotNull final String unit, int... rest) throws IOException, B',
        'Store.none': 'abstract void none(String a)',
        'Pair': 'record Pair<A>(A a, int b) implements C',
    },
    "c": {
        'fetch': 'static inline __attribute__((noinline)) const char * fetch(const char *url, int (*callback)(void *, int), struct { int a; } *opts)',
        'size': 'int size(struct store *of)',
        'TWICE': '#define TWICE(x)',
    },
    "cpp": {
        'shop.fetch': 'template <typename T, int N = (1 > 2)> inline auto fetch(const std::string &url = "{", std::vector<int> v = {1, 2}, std::function<void(int)> f = [](int a) { return a; }) noexcept -> std::map<int, T>',
        'shop.Store': 'template <class T> class Store final : public Base<T>, private B',
        'shop.Store.Store': 'explicit Store(int a)',
        'shop.Store.none': 'virtual void none() = 0',
    },
    "ruby": {
        'Store': 'class Store < Base',
        'Store.size': 'def size(unit = "a", *rest, key: { a: 1 }, **opts, &block)',
        'Store.bare': 'def bare',
        'Store.no_parens': 'def no_parens a, b = {}',
        'Store.make': 'def self.make(a, b)',
    },
    "bash": {
        'twice': 'twice()',
        'print-all': 'function print-all',
    },
    "csharp": {
        'Store': 'public sealed class Store<T> : Base<T>, IShape where T : class, new()',
        'Store.Size': 'public async Task<Dictionary<string, T>> Size<K>([FromBody] string unit = "{", params int[] rest) where K : struct',
        'Store.Count': 'public int Count',
        'Store.Name': 'public string Name',
        'Store.Store': 'public Store(int a)',
    },
    "php": {
        'Store': 'final class Store extends Base implements A, B',
        'Store.size': 'public static function size(string $unit = "{", ?array $opts = ["a" => [1]], #[Sensitive] int ...$rest): ?array',
        'Store.none': 'abstract protected function none(): void',
        'twice': 'function twice(callable $f = null)',
    },
    "kotlin": {
        'Store': 'data class Store<T : Any>(val items: List<T> = listOf(), private val f: (Int) -> Unit = { it + 1 }) : Base<T>(1), Shape',
        'Store.size': 'override suspend fun <K> size(unit: String = "{", block: (K) -> Unit = { }): Map<K, List<T>> where K : Any',
        'Store.typed': 'fun typed(a: Int): Int',
        'Store.none': 'abstract fun none(a: Int): Int',
    },
    "tsx": {
        'Page': 'function Page({ title, children }: { title: string; children: Node }): JSX.Element',
        'Row': 'Row: FC<Props> = ({ a = {}, b }) =>',
    },
}  # fmt: skip


def test_every_language_has_a_row_here() -> None:
    assert set(SOURCES) == set(EXPECTED) == set(WHEELS)


@pytest.mark.parametrize("language", SOURCES)
def test_signatures(language: str) -> None:
    found = {
        d.qualified: d.signature for d in parse(language, SOURCES[language].encode()).definitions
    }
    assert {name: found.get(name) for name in EXPECTED[language]} == EXPECTED[language]


def test_a_comment_above_all_decorators_or_a_template_is_the_docstring() -> None:
    for language in ("cpp", "java", "csharp", "php", "kotlin", "rust", "go", "javascript"):
        found = parse(language, SOURCES[language].encode()).definitions
        said = next(d.docstring for d in found if d.name != "shop")
        assert said in ("Fetches.", "Keeps.", "Fetch gets."), language


def test_comments_before_a_python_docstring_do_not_hide_it() -> None:
    found = parse("python", SOURCES["python"].encode()).definitions
    assert {d.name: d.docstring for d in found if d.docstring} == {
        "fetch": "Fetch it.", "Store": "Keeps.",
    }  # fmt: skip
