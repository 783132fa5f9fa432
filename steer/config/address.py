"""The address of a server, as settings hold it: checked where it is typed, and free of passwords, as runs keep it."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from reward_models.addresses import address_fault


def _checked(address: str) -> str:
    if fault := address_fault(address):
        raise ValueError(fault)
    return address


Address = Annotated[str, AfterValidator(_checked)]
