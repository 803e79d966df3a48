"""Damaged and hostile ONNX files are refused or load right: no hang, no crash, no file outside is read."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from core.models.imported.choices import Choices
from core.models.imported.onnx_graph import ImportedModelError, read_graph
from core.models.imported.proposal import Proposal, proposal_in
from core.models.imported.sandbox import Sandbox
from tests.helpers.onnx_models import autoencoder, decoder, encoder

FOREIGN = Path(__file__).parents[3] / "foreign_models"
SEEDS = {
    "decoder": decoder(2, end="Sigmoid").SerializeToString(),
    "encoder": encoder(2).SerializeToString(),
    "autoencoder": autoencoder(2, sampled=True).SerializeToString(),
    "keras": (FOREIGN / "keras_decoder.onnx").read_bytes(),
}
COUNT = 100
"""Mutations of each; with four, four hundred."""


def mutated(content: bytes, generator: np.random.Generator) -> bytes:
    """A few bytes changed, cut out, doubled or put elsewhere; more often in the first 2,000, where the network is."""
    data = bytearray(content)
    for _ in range(generator.integers(1, 6)):
        end = len(data) if generator.random() < 0.3 else min(len(data), 2000)
        at, width = int(generator.integers(0, max(end, 1))), int(generator.integers(1, 9))
        kind = generator.integers(0, 6)
        if kind == 0:
            data[at : at + 1] = bytes([generator.integers(0, 256)])
        elif kind == 1:
            del data[at : at + width]
        elif kind == 2:
            data[at:at] = data[at : at + width]
        elif kind == 3:
            data[at : at + width] = bytes([255] * width)
        elif kind == 4:
            data[at : at + 1] = bytes([data[at] ^ (1 << int(generator.integers(0, 8)))]) if at < len(data) else b""
        else:
            data = data[: at + len(data) // 2]
    return bytes(data)


def outcome(sandbox: Sandbox, path: Path) -> tuple[Proposal | None, str]:
    """What the file is, or why it is refused."""
    try:
        return proposal_in(sandbox, [read_graph(path)], Choices()), ""
    except ImportedModelError as error:
        return None, str(error)


@pytest.mark.parametrize("name", SEEDS)
def test_mutated_files_are_refused_or_load_right(tmp_path, name):
    generator, path = np.random.default_rng(list(SEEDS).index(name)), tmp_path / "model.onnx"
    opened = 0
    with Sandbox(1 << 20) as sandbox:
        for number in range(COUNT):
            path.write_bytes(mutated(SEEDS[name], generator))
            begun = time.process_time()
            proposal, refusal = outcome(sandbox, path)
            if proposal is None:
                assert str(path) in refusal, (number, refusal)
            else:
                opened += 1
                assert proposal.samples.dtype == np.uint8
                assert proposal.placement.side <= 512
            assert time.process_time() - begun < 2.0
    print(f"{name}: {COUNT} files, {opened} opened, the others refused")
    assert opened > 0  # some changes are harmless
