"""The schemas that containers name, ours and those that people publish."""

from __future__ import annotations

from paquebot.protocol import custom, schema
from paquebot.protocol.encoding import ResourceId
from paquebot.protocol.resource import SignedObject, schema_in


class SchemaView:
    """The part of the view that finds schemas."""

    def resource(self, resource: ResourceId) -> SignedObject | None:
        """Return a resource that is held."""
        raise NotImplementedError

    def forget_schemas(self) -> None:
        """Forget what is cached: a transaction was undone, or one was removed."""
        self._schemas: dict[str, str] = {}

    def schema(self, uri: str) -> str | None:
        """Return the text of the JSON Schema published under *uri*."""
        if (ours := schema.published(uri)) is not None:
            return ours
        if uri not in self._schemas:
            user, name = custom.parse_uri(uri)
            signed = self.resource(name)
            found = schema_in(signed, user) if signed else None
            if found is None:
                return None
            self._schemas[uri] = found
        return self._schemas[uri]
