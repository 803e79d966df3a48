"""What an ONNX file is, is found: roles, names, axes, ranges and the mean; and each finding can be overridden."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from core.models.imported.choices import Choices
from core.models.imported.onnx_graph import Graph, ImportedModelError, read_graph
from core.models.imported.proposal import Proposal, proposal_in, propose
from core.models.imported.sandbox import Sandbox
from tests.helpers.onnx_models import autoencoder, decoder, encoder, model, save

FOREIGN = Path(__file__).parents[3] / "foreign_models"


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(1 << 20) as opened:
        opened.infer(decoder().SerializeToString())  # the process is there before the first test
        yield opened


@pytest.fixture
def look(sandbox, tmp_path):
    """Looks at models, in memory or in files; its keyword arguments are those of ``Choices``."""

    def look(*models, images=lambda _: None, **choices) -> Proposal:
        graphs: list[Graph] = []
        for place, one in enumerate(models):
            graphs.append(read_graph(one if isinstance(one, Path) else save(tmp_path / f"{place}.onnx", one)))
        return proposal_in(sandbox, graphs, Choices(**choices), images)

    return look


def found(proposal: Proposal) -> dict[str, str]:
    return {finding.subject: finding.value for finding in proposal.findings}


def edit(proto: onnx.ModelProto, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Change a constant of ``proto``."""
    (tensor,) = [tensor for tensor in proto.graph.initializer if tensor.name == name]
    tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor)).astype(np.float32), name))


@pytest.mark.parametrize(
    ("shape", "layout", "size"),
    [
        ((1, 16, 16), "NCHW", (16, 16, 1)),
        ((3, 16, 12), "NCHW", (16, 12, 3)),
        ((16, 12, 3), "NHWC", (16, 12, 3)),
        ((20, 16), "NHW", (20, 16, 1)),
        ((256,), "N(CHW)", (16, 16, 1)),
    ],
)
def test_a_decoders_axes_and_size_are_found(look, shape, layout, size):
    pixels = look(decoder(2, shape)).model.decoder.pixels
    assert (pixels.axes, pixels.height, pixels.width, pixels.channels) == (layout, *size)


@pytest.mark.parametrize(
    ("end", "expected", "reason"),
    [
        ("Sigmoid", "0:1", "Sigmoid"),
        ("Tanh", "-1:1", "Tanh"),
        ("", "0:1", "nothing bounds it"),
        ("symmetric", "-1:1", "nothing bounds it"),
        ("bytes", "0:255", "nothing bounds it"),
        ("logits", "logits", "sigmoid"),
    ],
)
def test_the_range_is_found_by_operators_or_by_samples(look, end, expected, reason):
    proposal = look(decoder(2, end=end))
    (finding,) = [finding for finding in proposal.findings if finding.subject == "range"]
    assert finding.value == expected
    assert reason in finding.reason
    assert finding.flag == "--range"


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)])
def test_an_encoders_range_is_found_by_decoding_and_encoding_again(look, low, high):
    values = found(look(decoder(2), encoder(2, low=low, high=high)))
    assert values["range in"] == f"{low:g}:{high:g}"
    assert values["mean"] == "mean"


def test_images_of_ones_own_tell_it_better(look):
    def images(placement):
        assert placement.shown_shape == (16, 16, 1)
        return np.random.default_rng(0).integers(0, 256, (8, 16, 16, 1)).astype(np.uint8)

    proposal = look(decoder(4), encoder(4, low=-1.0), images=images)
    assert found(proposal)["range in"] == "-1:1" or any("assumed" in note for note in proposal.model.notes)


@pytest.mark.parametrize(
    ("heads", "mean"), [("a b", "a"), ("mean log_var", "mean"), ("sigma mu", "sigma"), ("moments", "moments@0")]
)
def test_the_mean_is_found_by_what_it_does_whatever_it_is_called(look, heads, mean):
    assert found(look(decoder(2), encoder(2, heads=heads)))["mean"] == mean


def test_a_latent_far_from_the_prior_is_no_sign_of_another_model(look):
    made, read = decoder(3), encoder(3, heads="a b")
    edit(made, "W", lambda rows: rows * [[1], [1], [0]])  # it does not look at the third number
    edit(read, "centre", lambda values: values - [0, 0, 40])
    proposal = look(made, read)
    assert found(proposal)["mean"] == "a"
    assert not any("little is left" in note for note in proposal.model.notes)


def test_parts_of_different_models_are_said_to_leave_little_of_an_image(look):
    read = encoder(2)
    edit(read, "inverse", lambda columns: columns[::-1] * [1, -1])
    (note,) = look(decoder(2), read).model.notes
    assert "little is left of the images" in note
    assert "assumed: the range that the encoder wants, 0:1; the mean, mean." in note


def test_without_a_decoder_names_tell(look):
    proposal = look(encoder(2, heads="log_var mu"))
    assert found(proposal)["mean"] == "mu"
    assert proposal.latent_dim == 2
    assert any("not known; 0:1 is assumed" in note for note in proposal.model.notes)
    assert not len(proposal.samples)


@pytest.mark.parametrize("sampled", [False, True])
def test_an_autoencoder_is_taken_apart_at_its_latent(look, sampled):
    proposal = look(autoencoder(3, sampled=sampled))
    assert proposal.latent_dim == 3
    assert proposal.model.decoder.latent.name == "z"
    assert found(proposal)["mean"] == ("mean" if sampled else "z")
    assert set(proposal.files) == {"decoder.onnx", "encoder.onnx"}


def test_two_networks_in_one_file_are_told_apart(look):
    first, second = encoder(2), decoder(2, name="code")
    for node in second.graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                names[place] = {"flat": "flat 2"}.get(name, name)
    first.graph.node.extend(second.graph.node)
    first.graph.input.extend(second.graph.input)
    first.graph.output.extend(second.graph.output)
    first.graph.initializer.extend(second.graph.initializer)
    values = found(look(first))
    assert (values["latent"], values["image"], values["images in"], values["mean"]) == ("code", "image", "x", "mean")


@pytest.mark.parametrize(
    ("choices", "subject", "value"),
    [
        ({"range": "-3:3"}, "range", "-3:3"),
        ({"layout": "NHWC"}, "layout", "NHWC: 4 × 4, 4 channels"),
        ({"mean": "log_var"}, "mean", "log_var"),
        ({"encoder_range": "0:255"}, "range in", "0:255"),
    ],
)
def test_every_finding_can_be_overridden(look, choices, subject, value):
    shape = (4, 4, 4) if subject == "layout" else (1, 16, 16)
    models = [decoder(2, shape)] if subject == "layout" else [decoder(2), encoder(2)]
    proposal = look(*models, **choices)
    (finding,) = [finding for finding in proposal.findings if finding.subject == subject]
    assert (finding.value, finding.reason) == (value, "as you said")


@pytest.mark.parametrize("said", [{}, {"layout": "NHWC", "mean": "log_var"}])
def test_a_finding_has_what_else_its_flag_could_say(look, said):
    options = {one.flag: one for one in look(decoder(2, (4, 4, 4)), encoder(2, (4, 4, 4)), **said).findings}
    assert options["--layout"].options == ("NCHW", "NHWC")
    assert options["--layout"].choice == said.get("layout", options["--layout"].choice)
    assert options["--mean"].options == ("mean", "log_var")
    assert options["--input"].options == ("z",)
    assert options["--range"].options[-1] == "logits"


def test_the_mean_may_be_either_half_of_one_output(look):
    options = {one.flag: one for one in look(decoder(2), encoder(2, heads="both")).findings}
    assert options["--mean"].options == ("both@0", "both@2")


def test_a_range_that_cuts_values_off_is_said(look):
    notes = look(decoder(2), range="0.4:0.6").model.notes
    assert any("lie outside the range 0.4:0.6 and are cut off" in note for note in notes)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"range": "1:0"}, "--range is '1:0'; it must be 0:1"),
        ({"range": "wide"}, "--range is 'wide'"),
        ({"layout": "NHWC"}, r"--layout is NHWC; image \(1 × 1 × 16 × 16\) can be: NCHW"),
        ({"input": "nothing"}, "--input is 'nothing'.*available: z"),
        ({"output": "nothing"}, "--output is 'nothing'; available: image"),
        ({"image_input": "nothing"}, "--image-input is 'nothing'"),
        ({"fixed": ("nothing=1",)}, "--fixed is 'nothing'"),
        ({"fixed": ("label",)}, "--fixed is 'label'; it must be NAME=NUMBER"),
        ({"image_size": "8 x 8"}, "--image-size is '8 x 8'; it must be such as 64x64"),
    ],
)
def test_a_choice_that_cannot_be_is_refused(look, choices, message):
    with pytest.raises(ImportedModelError, match=message):
        look(decoder(2), **choices)


def conditional():
    from onnx import helper

    nodes = [helper.make_node("Concat", ["z", "label"], ["both"], axis=1), *decoder(5, name="both").graph.node]
    base = decoder(5)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in base.graph.initializer}
    return model(nodes, [("z", [None, 2]), ("label", [None, 3])], [("image", [None, 1, 16, 16])], constants)


def test_several_inputs_are_offered_and_can_be_held(look):
    with pytest.raises(ImportedModelError, match=r"computed from 2 inputs: z .*; label .*--input.*--fixed label=0"):
        look(conditional())
    proposal = look(conditional(), input="z", fixed=("label=0.5",))
    assert proposal.latent_dim == 2
    ((tensor, value),) = proposal.model.decoder.fixed
    assert (tensor.name, tensor.shape, value) == ("label", (1, 3), 0.5)


def test_free_axes_of_images_need_their_size(look):
    free = encoder(2, (1, 16, 16))
    for axis in free.graph.input[0].type.tensor_type.shape.dim[2:]:
        axis.Clear()
    with pytest.raises(ImportedModelError, match=r"leaves the size of its images free.*--image-size"):
        look(free)
    assert look(free, image_size="16x16").model.encoder.image.shape == (1, 1, 16, 16)
    assert look(decoder(2), free).model.encoder.image.shape == (1, 1, 16, 16)  # the decoder's


def test_parts_that_do_not_go_together_are_refused(look):
    with pytest.raises(ImportedModelError, match="takes images of 8 × 8 × 1, and the decoder draws 16 × 16 × 1"):
        look(decoder(2), encoder(2, (1, 8, 8)))
    with pytest.raises(ImportedModelError, match=r"no output of the encoder has the decoder's 2 latent dimensions"):
        look(decoder(2), encoder(5))


def test_what_is_neither_is_refused_with_its_inputs_and_outputs(look):
    from onnx import helper

    both = model([helper.make_node("Relu", ["x"], ["y"])], [("x", [None, 5])], [("y", [None, 5])], {})
    with pytest.raises(ImportedModelError, match=r"neither a decoder .* nor an encoder .*inputs: x .*outputs: y"):
        look(both)


def test_wide_images_are_scaled_down_and_padded_and_that_is_said(look):
    proposal = look(decoder(2, (1, 20, 1024)))
    assert (proposal.placement.side, proposal.model.reduction) == (512, 2)
    assert proposal.samples.shape[1:] == (512, 512, 1)
    assert [note[:30] for note in proposal.model.notes[:2]] == [
        "Images of 20 × 1024 are shown ",
        "Images are 10 × 512, shown wit",
    ]


def test_random_decoders_are_said_to_be_so(look):
    from onnx import helper

    noisy = decoder(2)
    noisy.graph.node[-1].output[0] = "calm"
    noisy.graph.node.append(helper.make_node("RandomNormalLike", ["calm"], ["noise"]))
    noisy.graph.node.append(helper.make_node("Add", ["calm", "noise"], ["image"]))
    assert any("draws random numbers" in note for note in look(noisy).model.notes)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["jax_decoder", "jax_encoder"], {"layout": "NHWC: 16 × 16, 1 channel", "range": "-1:1", "range in": "-1:1"}),
        (["jax_autoencoder"], {"layout": "NHWC: 16 × 16, 1 channel", "range": "-1:1", "range in": "-1:1"}),
        (["keras_decoder", "keras_encoder"],
         {"layout": "NHWC: 16 × 16, 3 channels", "range": "0:1", "range in": "0:255"}),
        (["tf2onnx_decoder"], {"layout": "NHWC: 16 × 16, 3 channels", "range": "0:1"}),
    ],
)  # fmt: skip
def test_models_exported_by_other_frameworks_are_understood(look, files, expected):
    proposal = look(*(FOREIGN / f"{name}.onnx" for name in files))
    values = found(proposal)
    assert {subject: values[subject] for subject in expected} == expected
    assert proposal.latent_dim == 2
    assert np.ptp(proposal.samples) > 100  # blobs, bright on dark
    assert not any("assumed" in note for note in proposal.model.notes)


def test_an_operator_of_another_framework_is_named():
    with pytest.raises(ImportedModelError, match=r"the operator StatelessRandomNormalV2, which opset 15 does not have"):
        propose(FOREIGN / "tf2onnx_sampling.onnx", None, Choices())
