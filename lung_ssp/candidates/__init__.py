"""False-positive reduction: a small network that tells which candidates are nodules."""
