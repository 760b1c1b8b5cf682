"""``python -m facetrack`` is the command ``facetrack``."""

import sys

try:
    from facetrack.cli import main

    main()
except KeyboardInterrupt:  # before there was a handler for it
    sys.exit(130)
