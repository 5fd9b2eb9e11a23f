"""``python -m sklgd`` takes a tour of the package."""

import sys

from ._tour import main

if __name__ == "__main__":
    sys.exit(main())
