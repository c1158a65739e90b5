"""The bytes of a document that we publish. In: a model. Out: readable JSON in UTF-8, a newline at its end."""

from __future__ import annotations

import json

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError


def json_document(model: BaseModel) -> bytes:
    """The document; half a character (a name that is not UTF-8, in some library's message) is written as `?`."""
    try:
        return (model.model_dump_json(by_alias=True, indent=2) + "\n").encode()
    except PydanticSerializationError:  # a report that cannot be written would end the daemon at every start
        fields = model.model_dump(mode="json", by_alias=True)
        return (json.dumps(fields, ensure_ascii=False, indent=2) + "\n").encode("utf-8", "replace")
