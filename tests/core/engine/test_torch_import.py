"""The engine's torch: without its descriptions of operators for tracing until somebody asks for them."""

import subprocess
import sys

WITHOUT = """
import sys
from core.engine.server import main
main(["--threads", "1"])
import torch
assert "torch._prims" not in sys.modules, "the engine has imported what only tracing needs"
x = torch.ones(1, 2, 8, 8, requires_grad=True)
torch.nn.functional.interpolate(torch.nn.Conv2d(2, 3, 3)(x), scale_factor=2, mode="bilinear").sum().backward()
assert x.grad is not None and x.grad.shape == x.shape
import torch._meta_registrations as descriptions
assert callable(descriptions.meta_conv) and "torch._prims" in sys.modules
"""


def test_the_engine_starts_and_computes_without_what_tracing_needs_which_comes_when_it_is_asked_for():
    nothing = subprocess.DEVNULL
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], stdin=nothing, stdout=nothing, stderr=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
