"""What the results of a run say of the machine: what its times depend on, and nothing by which it could be found.

Without the fields that change by themselves (the clock's frequency of the moment) `--benchmark-compare` compares runs
of the same machine without a warning.
"""

from __future__ import annotations

import pytest

_KEPT = ("arch", "brand_raw", "count")


def pytest_addoption(parser):
    parser.addoption(
        "--all-mutants", action="store_true", help="refute every mutant, and not a sample of each family (minutes)"
    )


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(config, machine_info):
    import torch

    for name in ("node", "release", "python_build", "python_compiler"):
        machine_info.pop(name, None)
    machine_info["cpu"] = {name: value for name, value in machine_info.get("cpu", {}).items() if name in _KEPT}
    found = torch.accelerator.current_accelerator(check_available=True)
    machine_info |= {
        "torch": str(torch.__version__), "torch_threads": torch.get_num_threads(),
        "accelerator": _model(found) if found is not None else "",
    }  # fmt: skip


def _model(device):
    import torch

    module = getattr(torch, device.type)
    return module.get_device_name() if hasattr(module, "get_device_name") else device.type
