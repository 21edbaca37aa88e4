"""The looks of the classes as data."""

import pytest
from pydantic import ValidationError

from lung_ssp.cohort.phantom.looks import ClassLooks


def test_every_class_has_looks_whose_weights_sum_to_one():
    classes = ClassLooks().of_classes()
    assert len(classes) == 9
    for looks in classes:
        assert sum(look.weight for look in looks) == pytest.approx(1)


def test_unclassified_carcinomas_have_the_looks_of_the_other_cancers():
    classes = ClassLooks().of_classes()
    assert [look.name for look in classes[8]] == [look.name for looks in classes[1:8] for look in looks]


def test_a_configuration_can_replace_the_looks_of_one_class():
    shipped = ClassLooks()
    own = shipped.carcinoid[0].model_copy(update={"name": "my own"})
    changed = ClassLooks(carcinoid=[own])
    assert [look.name for look in changed.of_classes()[6]] == ["my own"]
    assert changed.of_classes()[6][0].weight == 1
    assert changed.normal == shipped.normal


def test_probabilities_that_do_not_sum_to_one_are_refused():
    look = ClassLooks().normal[0].model_dump() | {"texture": [0.5, 0.2, 0.2]}
    with pytest.raises(ValidationError, match=r"normal\.0\.texture\n  Value error, must sum to 1, but sum to 0\.9"):
        ClassLooks.model_validate({"normal": [look]})
