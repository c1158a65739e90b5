"""The keys of a picture that is enlarged alone, with their bounds. In: a mapping. Out: a request."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, Field

from aura_daemon.jobfile.keys import types
from aura_daemon.jobfile.keys.generate import FormatName, TagName
from aura_daemon.jobfile.keys.guidance import guidance_keys as guidance
from aura_daemon.jobfile.keys.output_name import OutputNameOfEnlarged, output_field
from aura_daemon.jobs.requests import ImageFormat, Metadata, UpscaleRequest, shared_fields

UPSCALE: Final = "upscale"
"""The value of `task`."""


class UpscaleJob(BaseModel):
    """A picture, enlarged by a model."""

    model_config = types.CONFIG
    task: Literal["upscale"] = Field(description=types.TASK_NAMES)
    image: types.ImageName | None = types.image_field("without it the image that is called as the job file")
    upscale: guidance.UpscaleKeys | None = Field(None, description=guidance.UPSCALE)
    format: FormatName = Field(None, description=f"one of {', '.join(ImageFormat)}")
    quality: types.Whole = types.whole_field(1, 100)
    metadata: Metadata | None = Field(None, description=f"one of {', '.join(Metadata)}")
    output: OutputNameOfEnlarged | None = output_field(is_enlarged=True)
    tags: tuple[TagName, ...] | None = Field(
        None, max_length=50, description="a list of at most 50 texts of at most 100 characters"
    )
    notes: types.Notes = Field(
        "", description="text of at most 2000 characters, for the sidecar", json_schema_extra=types.as_text()
    )
    priority: types.Priority = types.priority_field()

    def request(self) -> UpscaleRequest:
        """The request for the engine."""
        values = shared_fields(self, UpscaleRequest)
        if self.upscale is not None:
            values["upscale"] = self.upscale.upscale()
        return UpscaleRequest(**values)
