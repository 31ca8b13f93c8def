"""What a home remembers: SQLite for facts, content-addressed files for bulk. The only place that speaks SQL."""

from paquebot.store.sqlite import Store

__all__ = ["Store"]
