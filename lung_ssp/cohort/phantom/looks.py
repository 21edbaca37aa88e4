"""The looks of the nine classes as data: which attributes a lesion of a class may have, and how likely each is."""

from typing import Annotated, Any

from pydantic import Field

from lung_ssp.cohort.phantom.data import shipped
from lung_ssp.settings import Positive, Probability, Settings, Shares, ThreeShares, Two

# The values of an attribute, in the order of its probabilities in a look.
VALUES = {
    "finding": ("none", "vessel", "nodule"),
    "texture": ("solid", "part-solid", "ground glass"),
    "calcification": ("none", "central", "eccentric"),
    "location": ("parenchyma", "vessel", "wall", "mediastinum"),
}

FourShares = Annotated[Shares, Field(min_length=4, max_length=4)]
Pair = Annotated[list[Positive], Two]


class Look(Settings):
    """One look of a class: attributes drawn independently of each other."""

    name: str = Field(description="what a radiologist would call it")
    weight: Positive = Field(description="share of the class's lesions with this look, relative to its other looks")
    finding: ThreeShares = Field(description="probabilities of no finding, a vessel, a nodule")
    diameter_mm: Pair = Field(description="median diameter in mm, and the standard deviation of its natural logarithm")
    growth: Positive = Field(description="factor of the median diameter from one screening year to the next")
    texture: ThreeShares = Field(description="probabilities of solid, part-solid, ground glass")
    spiculation: Pair = Field(description="Beta distribution (a, b) of the spiculation, 0 smooth to 1 strong")
    lobulation: Pair = Field(description="Beta distribution (a, b) of the lobulation, 0 none to 1 strong")
    elongation: Pair = Field(description="Beta distribution (a, b) of the elongation, 0 a ball to 1 a strand")
    cavity: Probability = Field(description="probability of a cavity")
    calcification: ThreeShares = Field(description="probabilities of no, a central, an eccentric calcification")
    necrosis: Probability = Field(description="probability of a centre of low attenuation")
    location: FourShares = Field(description="probabilities of inside the lung, on a vessel, the wall, the mediastinum")


def _shipped_looks(name: str) -> Any:
    """A field that holds the looks of looks.yml unless the configuration gives others."""
    return Field(
        default_factory=lambda: [Look(**look) for look in shipped("looks")[name]],
        description=f"looks of the class {name.replace('_', ' ')}; those shipped are in cohort/phantom/looks.yml",
        min_length=1,
    )


class ClassLooks(Settings):
    """The looks of each class; the unclassified carcinomas are drawn from those of the other cancers."""

    normal: list[Look] = _shipped_looks("normal")
    adenocarcinoma: list[Look] = _shipped_looks("adenocarcinoma")
    squamous_cell: list[Look] = _shipped_looks("squamous_cell")
    bronchio_alveolar: list[Look] = _shipped_looks("bronchio_alveolar")
    large_cell: list[Look] = _shipped_looks("large_cell")
    small_cell: list[Look] = _shipped_looks("small_cell")
    carcinoid: list[Look] = _shipped_looks("carcinoid")
    pleomorphic: list[Look] = _shipped_looks("pleomorphic")
    unclassified: list[Positive] = Field(
        default=[0.40, 0.20, 0.04, 0.14, 0.12, 0.05, 0.05],
        min_length=7,
        max_length=7,
        description="weights of the classes 1 to 7 of which unclassified carcinomas take their looks",
    )

    def of_classes(self) -> list[list[Look]]:
        """The looks of the classes 0..8, in their order, the weights of each class summing to 1."""
        classes = [_weighted(getattr(self, name), 1.0) for name in ClassLooks.model_fields if name != "unclassified"]
        mixture = sum(self.unclassified)
        parts = [_weighted(looks, w / mixture) for w, looks in zip(self.unclassified, classes[1:], strict=True)]
        return [*classes, [look for part in parts for look in part]]


def _weighted(looks: list[Look], total: float) -> list[Look]:
    weight = sum(look.weight for look in looks)
    return [look.model_copy(update={"weight": total * look.weight / weight}) for look in looks]
