"""Values from files are converted to their types, and messages name the path of what is wrong."""

from dataclasses import dataclass, field
from fractions import Fraction

import pytest

from facetrack.core.schema import LONGEST_S, SchemaError, Seconds, Share, Size, converted


@dataclass(frozen=True)
class Part:
    at: Seconds
    share: Share = 0.5
    size: Size = 1.0


@dataclass(frozen=True)
class Whole:
    rate: Fraction = Fraction(25)
    parts: list[Part] = field(default_factory=list)
    named: dict[str, Part] = field(default_factory=dict)


@pytest.mark.parametrize(("value", "said"), [
    ({"rate": "0/1"}, "film.rate is '0/1'; it must be a fraction above 0"),
    ({"rate": "1/0"}, "film.rate is '1/0'"),
    ({"rate": "-25"}, "film.rate is '-25'"),
    ({"rate": "nan"}, "film.rate is 'nan'"),
    ({"parts": [{"at": 0.0}, {"at": float("nan")}]}, "film.parts[1].at is nan"),
    ({"parts": [{"at": float("inf")}]}, "film.parts[0].at is inf"),
    ({"parts": [{"at": -2 * LONGEST_S}]}, "film.parts[0].at is -20000000.0; it must be from"),
    ({"parts": [{"at": 0, "share": 1.01}]}, "film.parts[0].share is 1.01; it must be from 0 to 1"),
    ({"parts": [{"at": 0.0, "size": -1.0}]}, "film.parts[0].size is -1.0"),
    ({"named": {"a": {"at": 1.0}, "b": {"at": "x"}}}, "film.named.b.at is 'x'"),
    ({"named": {"a": {"at": 1.0}, "b": 3}}, "film.named.b is 3; it must be a table"),
    ({"named": {"a": {}}}, "film.named.a: at is missing"),
])  # fmt: skip
def test_what_is_wrong_is_named(value, said):
    with pytest.raises(SchemaError) as error:
        converted(value, Whole, "film")
    assert str(error.value).startswith(said)


def test_good_values_are_kept():
    value = {"rate": "30000/1001", "parts": [{"at": 3}], "named": {"a": {"at": -0.5, "share": 1}}}
    whole = converted(value, Whole, "")
    assert whole == Whole(Fraction(30000, 1001), [Part(3.0)], {"a": Part(-0.5, 1.0)})
