"""Invoices: their numbers, and what they come to."""


def number(count: int, first: int) -> int:
    """The number of the invoice that comes after `count` others."""
    return first + count


def total(items: list[tuple[str, int, int]]) -> int:
    """What (name, pieces, cents a piece) come to, in cents."""
    return sum(pieces * cents for _name, pieces, cents in items)
