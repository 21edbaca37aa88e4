"""Lobes and sides."""

from lung_ssp.cohort.nlst.codes import possible_lobes, whole_lobe


def test_the_lingula_is_a_part_of_the_left_upper_lobe() -> None:
    assert whole_lobe("lingula") == "LUL" and whole_lobe("RML") == "RML"
    assert possible_lobes("lingula", "right") == {"LUL"}


def test_where_something_may_lie() -> None:
    assert possible_lobes("RLL", None) == {"RLL"}
    assert possible_lobes(None, "right") == {"RUL", "RML", "RLL"} and possible_lobes(None, "left") == {"LUL", "LLL"}
    assert possible_lobes(None, None) == frozenset()
