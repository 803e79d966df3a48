"""Which device computes, and whether bfloat16 pays there; asked by training and by inference alike."""

from __future__ import annotations

import torch

from core.config import Device, Precision

DEVICES: tuple[Device, ...] = ("cuda", "mps", "cpu")  # in order of preference


class DeviceError(RuntimeError):
    """A device that was asked for and is not there; the message says which ones are."""


def available_devices() -> list[Device]:
    """What this machine's torch can compute on, best first; ``cpu`` is always the last."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    return [device for device in DEVICES if available[device]]


def resolve_device(device: Device) -> Device:
    """``auto`` becomes the best device there is; any other is checked. Raises ``DeviceError``."""
    available = available_devices()
    if device == "auto":
        return available[0]
    if device not in available:
        raise DeviceError(
            f"device is {device!r}, which this machine (or this build of torch) does not have; "
            f"choose auto or one of {', '.join(available)}."
        )
    return device


def fast_bfloat16(device: Device) -> bool:
    """Whether ``device`` multiplies bfloat16 in hardware; where it does not, emulation is slower than float32."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device == "cpu":
        abilities = torch.cpu.get_capabilities()
        return bool(abilities.get("avx512_bf16") or abilities.get("amx_bf16"))
    return False


def resolve_precision(precision: Precision, device: Device) -> torch.dtype:
    """torch.bfloat16 or torch.float32, the number type of the large products; ``device`` is a resolved one."""
    if precision == "auto":
        return torch.bfloat16 if fast_bfloat16(device) else torch.float32
    return torch.bfloat16 if precision == "bfloat16" else torch.float32
