"""Values: frozen, slotted dataclasses that cost next to nothing until one is made.

    @frozen
    class Point:
        x: int
        y: int = 0

is what ``@dataclass(frozen=True, slots=True)`` is, to people, `dataclasses` and type checkers. But a program that
starts a hundred times a day declares hundreds of them and makes few: what makes one is written on first use, and the
rest is shared by all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field, fields
from operator import attrgetter, ge, gt, le, lt
from typing import Any, Never, TypeVar, dataclass_transform, overload

__all__ = ["frozen"]

_T = TypeVar("_T")


@overload
def frozen(cls: type[_T], /) -> type[_T]: ...
@overload
def frozen(*, kw_only: bool = False, order: bool = False) -> Callable[[type[_T]], type[_T]]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[Any] | None = None, /, *, kw_only: bool = False, order: bool = False) -> Any:
    """Make a class one of values: equal if all they hold is equal, and never changed.

    >>> @frozen
    ... class Point:
    ...     '''A place.'''
    ...     x: int
    ...     y: int = 0
    >>> Point(1), Point(1) == Point(1, 0), len({Point(1), Point(1, 0)})
    (Point(x=1, y=0), True, 1)
    """
    if cls is None:
        return lambda given: _made(given, kw_only=kw_only, order=order)
    return _made(cls, kw_only=kw_only, order=order)


def _made(given: type[Any], *, kw_only: bool, order: bool) -> type[Any]:
    made: Any = dataclass(init=False, repr=False, eq=False, slots=True, kw_only=kw_only)(given)
    names = [each.name for each in fields(made) if each.compare]
    held: Callable[[Any], Any] = attrgetter(*names) if names else lambda _: ()

    def first(self: Any, *values: Any, **named: Any) -> None:
        made.__init__ = _maker(made)
        self.__init__(*values, **named)

    def equal(self: Any, other: Any) -> bool:
        return bool(held(self) == held(other)) if other.__class__ is made else NotImplemented

    made.__init__, made.__eq__, made.__hash__ = first, equal, lambda self: hash(held(self))
    made.__dataclass_params__.frozen = True
    made.__setattr__, made.__delattr__ = _refused, _refused
    if "__repr__" not in vars(made):
        made.__repr__ = _shown
    if order:
        for compare in (lt, le, gt, ge):
            setattr(made, f"__{compare.__name__}__", _ordered(made, held, compare))
    return made  # type: ignore[no-any-return]  # mypy knows no class that is being made


def _maker(made: type[Any]) -> Any:
    """Return the ``__init__`` of *made*, written out: values are made by the million."""
    scope: dict[str, Any] = {"MISSING": MISSING}
    plain: list[str] = []
    named: list[str] = []
    body: list[str] = []
    for each in fields(made):
        scope[f"_set_{each.name}"] = vars(made)[each.name].__set__
        body.append(f"    _set_{each.name}(self, {each.name})")
        (named if each.kw_only else plain).append(each.name + _default(each, scope, body))
    arguments = ", ".join(["self", *plain, *(["*", *named] if named else [])])
    exec(f"def __init__({arguments}):\n" + "\n".join(body or ["    pass"]), scope)  # noqa: S102 our own names
    return scope["__init__"]


def _default(each: Field[Any], scope: dict[str, Any], body: list[str]) -> str:
    if each.default is not MISSING:
        scope[f"_default_{each.name}"] = each.default
        return f"=_default_{each.name}"
    if each.default_factory is not MISSING:
        scope[f"_make_{each.name}"] = each.default_factory
        body.insert(-1, f"    {each.name} = _make_{each.name}() if {each.name} is MISSING else {each.name}")
        return "=MISSING"
    return ""


def _ordered(made: type[Any], held: Callable[[Any], Any], compare: Callable[[Any, Any], bool]) -> Any:
    return lambda self, other: compare(held(self), held(other)) if other.__class__ is made else NotImplemented


def _refused(self: Any, name: str, *_: Any) -> Never:
    raise FrozenInstanceError(f"cannot change {name!r} of {type(self).__name__}")


def _shown(self: Any) -> str:
    shown = ", ".join(f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr)
    return f"{type(self).__qualname__}({shown})"
