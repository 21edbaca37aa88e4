"""Nodules in slices: the U-Net, the improved U-Net, and what trains and measures them."""
