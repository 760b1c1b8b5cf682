"""``python -m facetrack`` is the command ``facetrack``."""

from facetrack.cli import main

main()
