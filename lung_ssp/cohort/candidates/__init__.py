"""Candidates of a segmentation network and real nodules, to learn which candidates are nodules."""
