"""``python -m facette`` is ``facette``."""

from facette.cli import main

main()
