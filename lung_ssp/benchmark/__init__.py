"""Speed and memory of what the package does, each measured within one run so that its ratios can be trusted."""
