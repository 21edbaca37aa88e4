"""A device that is described by its data sheet. Imports no Paddle."""

from typing import Literal

from pydantic import Field

from lung_ssp.settings import Settings


class DeviceSettings(Settings):
    """What a device can do at most, from its maker's data sheet: for lower bounds on paper where it is not at hand."""

    task: Literal["device"] = Field(description="what this file describes")
    name: str = Field(description="the device")
    source: str = Field(description="where the figures are from")
    float32_tflops: float = Field(gt=0, description="1e12 floating point operations a second, in float32")
    float16_tflops: float = Field(gt=0, description="the same of its float16 matrix units")
    gigabytes_per_second: float = Field(gt=0, description="bandwidth of its memory")
