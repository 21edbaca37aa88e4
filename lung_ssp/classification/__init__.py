"""Nine classes, two tasks: networks that share softly, and what trains and measures them."""
