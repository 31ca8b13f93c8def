"""`frozen` makes what ``@dataclass(frozen=True, slots=True)`` makes, as far as anybody can tell."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, is_dataclass, replace
from typing import Any, ClassVar

import pytest

from paquebot.frozen import frozen


class Common:
    """A marker, as effects have them."""

    __slots__ = ()


def declared(decorate: Any, ordered: Any, named: Any) -> tuple[type, type, type, type]:
    @decorate
    class Thing(Common):
        """With everything that we use."""

        kinds: ClassVar[int] = 3
        name: str
        secret: bytes = field(default=b"", repr=False)
        held: list[int] = field(default_factory=list)
        aside: int = field(default=0, compare=False)

        @property
        def loud(self) -> str:
            return self.name.upper()

    @ordered
    class Place:
        """One that has an order."""

        x: int
        y: int = 0

    @named
    class Named:
        """One whose fields are named."""

        x: int = 0
        y: int

    @decorate
    class Nothing:
        """One that holds nothing."""

    return Thing, Place, Named, Nothing


OURS = declared(frozen, frozen(order=True), frozen(kw_only=True))
THEIRS = declared(
    dataclass(frozen=True, slots=True),
    dataclass(frozen=True, slots=True, order=True),
    dataclass(frozen=True, slots=True, kw_only=True),
)


def outcome(work: Any, *types: type) -> Any:
    """What *work* returns, or the error that it raises."""
    try:
        return work(*types)
    except (TypeError, AttributeError) as error:
        return type(error)


def matched(thing: type) -> Any:
    match thing("ship", b"x"):
        case thing(name, secret):
            return name, secret


def changed(thing: type) -> None:
    thing("ship").name = "boat"  # type: ignore[attr-defined]


def grown(thing: type) -> None:
    thing("ship").other = 1  # type: ignore[attr-defined]


def dropped(thing: type) -> None:
    del thing("ship").name  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "work",
    [
        lambda t, p, n, o: repr(t("ship", b"secret", [1])).rpartition(".")[2],
        lambda t, p, n, o: (t("a") == t("a"), t("a") == t("b"), t("a") != t("a"), t("a") == "a", t("a").__eq__("a")),
        lambda t, p, n, o: (p(1) == p(1, 0), hash(p(1)) == hash(p(1, 0)), len({p(1), p(1), p(2)})),
        lambda t, p, n, o: (p(1) == n(x=1, y=0), o() == o(), hash(o()) == hash(o())),
        lambda t, p, n, o: (sorted([p(2), p(1, 3), p(1)]) == [p(1), p(1, 3), p(2)], p(1) <= p(1), p(2) > p(1)),
        lambda t, p, n, o: p(1) < n(x=1, y=1),
        lambda t, p, n, o: t("a") < t("b"),
        lambda t, p, n, o: (t("a", aside=1) == t("a", aside=2), t("a").aside),
        lambda t, p, n, o: hash(t("a")),
        lambda t, p, n, o: t("a").held is t("a").held,
        lambda t, p, n, o: (t("ship").loud, t.kinds, t.__slots__, t.__match_args__, n.__match_args__),
        lambda t, p, n, o: [(each.name, each.type, each.kw_only, each.repr) for each in (*fields(t), *fields(n))],
        lambda t, p, n, o: (asdict(t("a", held=[1])), is_dataclass(t), t.__dataclass_params__.frozen, t.__doc__),
        lambda t, p, n, o: (replace(p(1), y=2) == p(1, 2), replace(n(x=1, y=2), y=3) == n(x=1, y=3)),
        lambda t, p, n, o: replace(p(1), z=2),
        lambda t, p, n, o: t(),
        lambda t, p, n, o: t("a", b"", [], 4, 5),
        lambda t, p, n, o: t("a", name="b"),
        lambda t, p, n, o: p(1, z=2),
        lambda t, p, n, o: n(1, 2),
        lambda t, p, n, o: n(x=1),
        lambda t, p, n, o: matched(t),
        lambda t, p, n, o: changed(t),
        lambda t, p, n, o: dropped(t),
        lambda t, p, n, o: (hasattr(t("a"), "__dict__"), isinstance(t("a"), Common)),
    ],
)
def test_it_does_what_a_dataclass_does(work: Any) -> None:
    assert outcome(work, *OURS) == outcome(work, *THEIRS)


def test_nothing_is_written_out_for_a_class_of_which_nothing_is_made() -> None:
    """An idle run declares hundreds; see that their number costs little."""
    script = (
        "import builtins; real, seen = exec, []; builtins.exec = lambda *a: (seen.append(a[0]), real(*a));"
        "import paquebot.protocol.effects as e; texts = [each for each in seen if isinstance(each, str)];"
        "print(sum('def __' in each.replace('def __create_fn__', '') for each in texts))"  # as Python 3.13 begins them
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) <= 3 * 30  # those of the standard library are written out at once


def test_what_is_refused_is_said() -> None:
    with pytest.raises(FrozenInstanceError, match="'other' of Thing"):
        grown(OURS[0])  # a dataclass of Python 3.11 trips over itself here
    with pytest.raises(FrozenInstanceError, match="'name' of Thing"):
        changed(OURS[0])
