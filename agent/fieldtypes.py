"""Whether a value that came from a file has the form that a dataclass says its field has."""

from __future__ import annotations

import math
from typing import Any

_PLAIN: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "None": (type(None),),
    "dict[str, Any]": (dict,),
    "dict[str, str]": (dict,),
}
_PARTS: dict[str, tuple[type, ...]] = {"Part": (str, str, int), "Place": (str, int, str)}


def fits(value: Any, form: str) -> bool:
    """Whether `value` is of the type that the annotation `form` names; unknown ones are taken on
    trust. A float has to be finite."""
    if " | " in form:
        return any(fits(value, one) for one in form.split(" | "))
    if form in _PARTS:
        return isinstance(value, tuple) and tuple(map(type, value)) == _PARTS[form]
    if form.startswith("tuple["):
        inner = form.removeprefix("tuple[").removesuffix(", ...]")
        if not isinstance(value, tuple):
            return False
        if inner in _PLAIN:
            return set(map(type, value)) <= set(_PLAIN[inner])
        return all(fits(item, inner) for item in value)
    if form == "Usage":
        return value is not None
    if form not in _PLAIN:
        return True
    if type(value) not in _PLAIN[form]:
        return False
    return not isinstance(value, float) or math.isfinite(value)
