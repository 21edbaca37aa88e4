"""The trained networks that come with the package, and the code that looks after them."""
