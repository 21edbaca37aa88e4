"""Measurements of speed and memory, each within one run so that its ratios can be trusted."""
