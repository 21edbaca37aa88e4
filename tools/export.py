"""lung-ssp export, from a checkout."""

import sys

from lung_ssp.cli import main

if __name__ == "__main__":
    sys.exit(main(["export", *sys.argv[1:]]))
