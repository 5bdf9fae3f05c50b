"""The program of a template: `python -m imaged.workers.template_program CONTROL PARENT`."""

from __future__ import annotations

import sys

from imaged.garbage import LONG_LIVED

if __name__ == "__main__":
    LONG_LIVED.begin()  # before the imports of the template
    from imaged.workers.template import main

    main(*map(int, sys.argv[1:]))
