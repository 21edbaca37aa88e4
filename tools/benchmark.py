"""lung-ssp benchmark, from a checkout."""

import sys

from lung_ssp.cli import main

if __name__ == "__main__":
    sys.exit(main(["benchmark", *sys.argv[1:]]))
