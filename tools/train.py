"""lung-ssp train, from a checkout."""

import sys

from lung_ssp.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
