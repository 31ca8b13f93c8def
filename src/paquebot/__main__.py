"""``python -m paquebot`` is ``paquebot``."""

from paquebot.cli import main

main()
