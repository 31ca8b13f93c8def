"""What a file is, who signed it, and whether it holds: every form that a peer, a stick or a mailbox may hand over.

Files are recognised by content. Nothing here reads a home, a clock or a wire, and nothing is believed because of its
name. Whatever is wrong with a file becomes a failed check. No key material and no terminal control leaves this package.
"""

from paquebot.inspection.pages import Check, Inspection
from paquebot.inspection.recognising import FILE_BYTES_MAX, inspect, read_letter

__all__ = ["FILE_BYTES_MAX", "Check", "Inspection", "inspect", "read_letter"]
