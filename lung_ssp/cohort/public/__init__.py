"""Public collections of the Imaging Data Commons, each by its description (configs/cohort/lidc.yml and others)."""
