"""The nine ratings that LIDC's readers gave each nodule of 3 mm and more (Armato 2011, table 2)."""

# The greatest value of each; all begin at 1.
RATINGS = {
    "subtlety": 5,
    "internalStructure": 4,
    "calcification": 6,
    "sphericity": 5,
    "margin": 5,
    "lobulation": 5,
    "spiculation": 5,
    "texture": 5,
    "malignancy": 5,
}
