"""The contract that every segmentation network keeps, and what tells the two apart."""

import numpy as np
import paddle
import pytest
from paddleseg.cvlibs import manager

from lung_ssp.segmentation.layers import Convolution, UpConvolution, crop_to, halve, level_widths
from lung_ssp.segmentation.networks import DenseBlock, ImprovedUNet, UNet

NETWORKS = {
    "UNet": lambda: UNet(num_classes=2, in_channels=3, width=4),
    "ImprovedUNet": lambda: ImprovedUNet(num_classes=2, in_channels=3, width=4, growth_rate=3, dense_layers=2),
}


@pytest.fixture(params=NETWORKS)
def network(request):
    paddle.seed(1)
    return NETWORKS[request.param]()


def images(*shape: int, seed: int = 0) -> paddle.Tensor:
    return paddle.to_tensor(np.random.default_rng(seed).random(shape, dtype=np.float32))


def parameters_of(network) -> int:
    return sum(int(np.prod(parameter.shape)) for parameter in network.parameters())


@pytest.mark.parametrize("size", [(32, 32), (16, 48), (33, 47), (16, 17), (5, 70)])
def test_logits_have_the_images_size_even_where_four_halvings_do_not_divide_it(network, size):
    network.eval()
    logits = network(images(2, 3, *size))
    assert isinstance(logits, list) and len(logits) == 1
    assert logits[0].shape == [2, 2, *size]


def test_every_parameter_gets_a_gradient(network):
    logits = network(images(2, 3, 32, 32))[0]
    (logits * images(2, 2, 32, 32, seed=1)).sum().backward()
    learned = {name: parameter for name, parameter in network.named_parameters() if not parameter.stop_gradient}
    assert len(learned) > 30
    for name, parameter in learned.items():
        assert parameter.grad is not None, name
        assert np.isfinite(parameter.grad.numpy()).all(), name
        assert np.abs(parameter.grad.numpy()).max() > 0, name


def test_the_odd_row_and_column_count(network):
    image = images(1, 3, 21, 19)
    image.stop_gradient = False
    network(image)[0].sum().backward()
    reached = np.abs(image.grad.numpy()).sum(axis=(0, 1)) > 0
    assert reached[-1].any() and reached[:, -1].any()


def test_a_saved_state_gives_the_same_logits(network, request):
    network(images(2, 3, 32, 32, seed=2))  # moves the averages of batch normalisation, which belong to the state
    state = {name: value.numpy() for name, value in network.state_dict().items()}
    other = NETWORKS[type(network).__name__]()
    missing, unexpected = other.set_state_dict(state)
    assert not missing and not unexpected
    network.eval()
    other.eval()
    image = images(1, 3, 32, 32)
    assert np.array_equal(network(image)[0].numpy(), other(image)[0].numpy())


def test_names_are_paddlesegs_and_ours_took_the_place_of_its_unet():
    assert manager.MODELS["UNet"] is UNet
    assert manager.MODELS["ImprovedUNet"] is ImprovedUNet


def test_channels_double_with_each_of_four_downsamplings():
    assert level_widths(3) == [3, 6, 12, 24, 48]
    features = UNet(num_classes=2, in_channels=3, width=3).encoder(images(1, 3, 32, 64))
    assert [feature.shape[1:] for feature in features] == [
        [3, 32, 64], [6, 16, 32], [12, 8, 16], [24, 4, 8], [48, 2, 4]
    ]  # fmt: skip


def test_parameters_of_the_unet():
    # 3x3 convolutions with offsets at 1, 2, 4, 8, 16 channels, from 1 channel
    encoder = [10 + 10, 20 + 38, 76 + 148, 296 + 584, 1168 + 2320]
    up_convolutions = [4 * 16 * 8 + 8, 4 * 8 * 4 + 4, 4 * 4 * 2 + 2, 4 * 2 * 1 + 1]
    # of 16, 8, 4, 2 channels to half of them, and once more
    decoder = [1160 + 584, 292 + 148, 74 + 38, 19 + 10]
    classifier = 1 * 2 + 2
    expected = sum(encoder) + sum(up_convolutions) + sum(decoder) + classifier
    assert parameters_of(UNet(num_classes=2, in_channels=1, width=1)) == expected == 7694


def test_parameters_of_the_improved_unet():
    # without offsets, but with scale and offset of each normalisation, and its two averages, which Paddle counts too
    encoder = [9 + 9, 18 + 36, 72 + 144, 288 + 576, 1152 + 2304]
    normalisation = [4 * 2 * channels for channels in (1, 2, 4, 8, 16)]
    up_convolutions = [4 * 16 * 8 + 8, 4 * 8 * 4 + 4, 4 * 4 * 2 + 2, 4 * 2 * 1 + 1]
    # two layers that add 3 channels each to 16, 8, 4, 2, then 1x1 to 8, 4, 2, 1
    dense = [9 * (16 + 19) * 3 + 6 + 22 * 8 + 8, 9 * (8 + 11) * 3 + 6 + 14 * 4 + 4, 9 * (4 + 7) * 3 + 6 + 10 * 2 + 2]
    dense.append(9 * (2 + 5) * 3 + 6 + 8 * 1 + 1)
    classifier = 1 * 2 + 2
    expected = sum(encoder) + sum(normalisation) + sum(up_convolutions) + sum(dense) + classifier
    network = ImprovedUNet(num_classes=2, in_channels=1, width=1, growth_rate=3, dense_layers=2)
    assert parameters_of(network) == expected


def test_normalisation_is_in_the_improved_encoder_and_nowhere_else():
    def normalisations(part):
        return sum(isinstance(layer, paddle.nn.BatchNorm2D) for layer in part.sublayers())

    improved = ImprovedUNet(num_classes=2, in_channels=3, width=1, growth_rate=8, dense_layers=3)
    assert normalisations(improved.encoder) == 10 == normalisations(improved)
    assert normalisations(UNet(num_classes=2, in_channels=3, width=1)) == 0


def test_where_asked_for_dense_blocks_are_normalised_before_each_relu():
    network = ImprovedUNet(2, 3, width=1, growth_rate=8, dense_layers=3, decoder_batch_norm=True)
    layers = [layer for layer in network.decoder.sublayers() if isinstance(layer, paddle.nn.BatchNorm2D)]
    assert len(layers) == 4 * (3 + 1)  # the 1x1 convolution of each block too


def test_each_layer_of_a_dense_block_sees_all_before_it():
    block = DenseBlock(in_channels=4, out_channels=2, growth_rate=3, layers=3)
    assert [layer.weight.shape[:2] for layer in block.layers] == [[3, 4], [3, 7], [3, 10]]
    assert block.transition.weight.shape == [2, 13, 1, 1]
    assert block(images(1, 4, 6, 6)).shape == [1, 2, 6, 6]


def test_halving_keeps_the_odd_row_and_column():
    image = paddle.arange(15, dtype="float32").reshape([1, 1, 3, 5])
    assert halve(image).numpy()[0, 0].tolist() == [[6, 8, 9], [11, 13, 14]]


def test_crop_cuts_the_end_and_leaves_the_right_size_alone():
    image = paddle.arange(16, dtype="float32").reshape([1, 1, 4, 4])
    assert crop_to(image, paddle.zeros([1, 1, 3, 3])).numpy()[0, 0].tolist() == [[0, 1, 2], [4, 5, 6], [8, 9, 10]]
    assert crop_to(image, paddle.zeros([1, 7, 4, 4])) is image


@pytest.mark.parametrize(
    ("in_channels", "out_channels", "size", "transposed"),
    [(6, 2, 3, True), (5, 2, 1, True), (2, 6, 3, False), (64, 32, 3, False)],
)
@pytest.mark.parametrize("bias_attr", [None, False])
def test_a_convolution_is_paddles_in_values_and_gradients(in_channels, out_channels, size, transposed, bias_attr):
    ours = Convolution(in_channels, out_channels, size, bias_attr)
    theirs = paddle.nn.Conv2D(in_channels, out_channels, size, padding=size // 2, bias_attr=bias_attr)
    assert set(ours.state_dict()) == set(theirs.state_dict())
    theirs.set_state_dict(ours.state_dict())
    assert ours._is_faster_transposed(9 * 7) == transposed
    same_values_and_gradients(ours, theirs, images(2, in_channels, 9, 7), images(2, out_channels, 9, 7, seed=1))


def test_an_up_convolution_is_paddles_in_values_and_gradients():
    ours, theirs = UpConvolution(6, 3), paddle.nn.Conv2DTranspose(6, 3, 2, stride=2)
    theirs.set_state_dict(ours.state_dict())
    same_values_and_gradients(ours, theirs, images(2, 6, 4, 5), images(2, 3, 8, 10, seed=1))


def same_values_and_gradients(ours, theirs, image, gradient):
    seen = []
    for layer in (ours, theirs):
        x = image.detach()
        x.stop_gradient = False
        if layer.bias is not None:
            layer.bias.set_value(paddle.arange(layer.bias.shape[0], dtype="float32"))
        result = layer(x)
        result.backward(gradient)
        seen.append([result, x.grad, *(parameter.grad for parameter in layer.parameters())])
    assert len(seen[0]) == len(seen[1])
    for one, other in zip(*seen, strict=True):
        assert np.abs(other.numpy()).max() > 0.1
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-4, atol=1e-4)


def test_a_traced_convolution_keeps_the_plain_operation():
    spec = [paddle.static.InputSpec([None, 6, None, None])]
    traced = paddle.jit.to_static(Convolution(6, 2, 3), input_spec=spec, full_graph=True)
    operations = [operation.type for operation in traced.forward.concrete_program.main_program.block(0).ops]
    assert "conv2d" in operations
    assert "conv2d_transpose" not in operations
