"""`python -m lung_ssp.cli` is `lung-ssp`."""

import sys

from lung_ssp.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
