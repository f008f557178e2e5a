"""`python -m proton`: the command line, see `proton.cli`."""

import sys

from proton.cli import main

if __name__ == "__main__":
    sys.exit(main())
