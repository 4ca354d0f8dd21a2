"""Mutants of convolutions and pooling held against their formulas, and correct ones in unusual styles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from genverify.subjects.formula import Formula
from tests.mutants.dense import scripted
from tests.mutants.mutant import Mutant, Twin

CROSS, PROPER, TRANSPOSED = (f"convolution.{n}_2d" for n in ("cross_correlation", "true_convolution", "transposed"))
MASKED, MATRIX, SIZE = "convolution.masked_2d", "convolution.as_matrix", "convolution.output_size"
MAX, AVERAGE, GLOBAL = "pooling.max", "pooling.average", "pooling.global_average"
MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []


def mutant(like: str, killed_by: str = "dialect", **fields: Any) -> Callable[[Any], Any]:
    """Declares the decorated implementation, as a stranger would, as a wrong one."""

    def declare(f: Any) -> Any:
        make = lambda: Formula(f, like=like, **fields)  # noqa: E731
        MUTANTS.append(Mutant(name=f"{like}: {f.__name__}", make=make, killed_by=f"formula.{killed_by}"))
        return f

    return declare


def twin(like: str, **fields: Any) -> Callable[[Any], Any]:
    """Declares the decorated implementation as a correct one."""

    def declare(f: Any) -> Any:
        TWINS.append(Twin(name=f"{like}: {f.__name__}", make=lambda: Formula(f, like=like, **fields)))
        return f

    return declare


def _windows(image, kernel):
    rows, columns = image.shape[0] - kernel.shape[0] + 1, image.shape[1] - kernel.shape[1] + 1
    return [
        (i, j, image[i : i + kernel.shape[0], j : j + kernel.shape[1]]) for i in range(rows) for j in range(columns)
    ]


@mutant(CROSS)
def turned_kernel(x, weight, bias=None, stride=1, padding=0):
    """A convolution proper under the name of a cross-correlation. Met where NumPy's convolve was taken for conv2d."""
    return functional.conv2d(x, weight.flip(-1, -2), bias, stride, padding)


@mutant(PROPER)
def unturned_kernel(x, weight, padding=0):
    """torch's conv2d sold as a convolution: the REFUTED claim of the Blog."""
    return functional.conv2d(x, weight, padding=padding)


@mutant(PROPER)
def turned_along_one_axis(x, weight, padding=0):
    """Flipped in one axis alone."""
    return functional.conv2d(x, weight.flip(-1), padding=padding)


@mutant(CROSS)
def one_pixel_short(x, weight, stride=1, padding=0):
    """Padded by one pixel less at the end, where a window then is missing. Met in hand-written im2col."""
    x = functional.pad(x, (padding, max(padding - 1, 0), padding, max(padding - 1, 0)))
    return functional.conv2d(x, weight, stride=stride)


class SameBefore(nn.Conv2d):
    """The odd pixel of padding "same" before the image instead of after it: even kernels are shifted by one.

    Source: the discussion of padding="same" in pytorch/pytorch#3867, on its side being a matter of convention.
    """

    def forward(self, input):
        rows, columns = self.kernel_size[0] - 1, self.kernel_size[1] - 1
        around = (columns - columns // 2, columns // 2, rows - rows // 2, rows // 2)
        return functional.conv2d(functional.pad(input, around), self.weight, self.bias)


MUTANTS.append(
    Mutant(
        name=f"{CROSS}: SameBefore", killed_by="formula.dialect",
        make=lambda: Formula(SameBefore(1, 2, (2, 4), padding="same"), like=CROSS),
    )
)  # fmt: skip


@mutant(CROSS)
def groups_interleaved(x, weight, groups=1):
    """Every g-th channel makes a group, where a group is a block of channels. Met in shuffles of channels."""
    mixed = x.reshape(x.shape[0], -1, groups, *x.shape[2:]).transpose(1, 2).reshape(x.shape)
    return functional.conv2d(mixed, weight, groups=groups)


@mutant(CROSS)
def dilation_ignored(x, weight, dilation=1):
    """The dilation is accepted and forgotten."""
    return functional.conv2d(x, weight, dilation=1) if dilation == 1 else functional.conv2d(
        x, weight, padding=0)[..., : x.shape[2] - dilation * (weight.shape[2] - 1), : x.shape[3] - dilation
                              * (weight.shape[3] - 1)]  # fmt: skip


@mutant(CROSS)
def summed_over_the_batch(x, weight):
    """einsum with one letter for batch and channel."""
    windows = x.unfold(2, weight.shape[2], 1).unfold(3, weight.shape[3], 1)
    return torch.einsum("bcijmn,ocmn->oij", windows, weight)


@mutant(CROSS)
def bias_for_each_window(x, weight, bias):
    """The bias is added once for every input channel."""
    return functional.conv2d(x, weight, bias) + (weight.shape[1]) * 0.5 * bias[:, None, None]


@mutant(CROSS, "gradient")
def detached_columns(x, weight):
    """im2col with a detach: the weights learn, the layers below do not."""
    columns = functional.unfold(x.detach(), weight.shape[-2:])
    y = weight.flatten(1) @ columns
    return y.reshape(x.shape[0], -1, x.shape[2] - weight.shape[2] + 1, x.shape[3] - weight.shape[3] + 1)


@mutant(TRANSPOSED)
def kernel_turned_twice(x, weight, stride=1):
    """The spread image is correlated with the kernel as it is: the adjoint needs it turned."""
    kernel = weight.transpose(0, 1)
    spread = x.new_zeros(*x.shape[:2], (x.shape[2] - 1) * stride + 1, (x.shape[3] - 1) * stride + 1)
    spread[:, :, ::stride, ::stride] = x
    return functional.conv2d(spread, kernel, padding=(kernel.shape[2] - 1, kernel.shape[3] - 1))


@mutant(TRANSPOSED, "value")
def output_padding_before(x, weight, stride=1, padding=0, output_padding=0):
    """The extra rows come first, so that everything is shifted."""
    y = functional.conv_transpose2d(x, weight, stride=stride, padding=padding)
    return functional.pad(y, (output_padding, 0, output_padding, 0))


class SeesItself(nn.Conv2d):
    """Type B in the first layer: every pixel is predicted from itself, and the likelihood is absurdly good."""

    def forward(self, x):
        mask = torch.ones_like(self.weight)
        rows, columns = self.kernel_size
        mask[:, :, rows // 2, columns // 2 + 1 :] = 0
        mask[:, :, rows // 2 + 1 :] = 0
        return functional.conv2d(x, self.weight * mask, self.bias, padding=self.padding)


MUTANTS.append(
    Mutant(
        name=f"{MASKED}: SeesItself", killed_by="formula.dialect",
        make=lambda: Formula(SeesItself(2, 2, 3, padding=1), like=MASKED, dialect="type A"),
    )
)  # fmt: skip


@mutant(MASKED)
def below_is_seen(x, weight, bias, mask_type):
    """The rows below the centre are not hidden: only the centre's own row is."""
    mask = torch.ones_like(weight)
    rows, columns = weight.shape[-2:]
    mask[:, :, rows // 2, columns // 2 + (mask_type == "B") :] = 0
    return functional.conv2d(x, weight * mask, bias, padding=(rows // 2, columns // 2))


@mutant(MASKED)
def centre_row_forgotten(x, weight, bias, mask_type):
    """For type B the whole row of the centre is hidden, and the rows below it are not.

    Source: j-min/PixelCNN#3.
    """
    mask = torch.ones_like(weight)
    rows, columns = weight.shape[-2:]
    if mask_type == "A":
        mask[:, :, rows // 2, columns // 2 :] = 0
        mask[:, :, rows // 2 + 1 :] = 0
    else:
        mask[:, :, rows // 2, columns // 2 + 1 :] = 0
        mask[:, :, rows // 2] = 0
    return functional.conv2d(x, weight * mask, bias, padding=(rows // 2, columns // 2))


@mutant(MATRIX)
def toeplitz_transposed(weight, height, width):
    """The transposed matrix: that of the transposed convolution."""
    units = torch.eye(height * width, dtype=weight.dtype).reshape(-1, 1, height, width)
    return functional.conv2d(units, weight[None, None]).flatten(1)


@mutant(MATRIX)
def wraps_around(weight, height, width):
    """One Toeplitz matrix for the flattened image: windows run over the end of a row into the next."""
    rows, columns = weight.shape
    count = (height - rows + 1) * (width - columns + 1)
    matrix = weight.new_zeros(count, height * width)
    for at in range(count):
        for m in range(rows):
            for n in range(columns):
                matrix[at, (at + m * width + n) % (height * width)] = weight[m, n]
    return matrix


@mutant(SIZE, "value")
def dilation_times_kernel(n, kernel_size, stride=1, padding=0, dilation=1):
    """d k for d (k − 1): right at dilation one. Met in hand-made shape calculators."""
    return (n + 2 * padding - dilation * kernel_size) // stride + 1


@mutant(SIZE, "value")
def rounded_up(n, kernel_size, stride=1, padding=0, dilation=1):
    """The ceiling for the floor: a last window that would stick out."""
    return -(-(n + 2 * padding - dilation * (kernel_size - 1) - 1) // stride) + 1


@mutant(MAX, "value")
def zeros_beyond_the_border(x, kernel_size, stride=None, padding=0):
    """Padded with zeros: negative images get a border of zeros. Met in ports to frameworks without −∞ padding."""
    return functional.max_pool2d(functional.pad(x, (padding,) * 4), kernel_size, stride)


@mutant(MAX, "gradient")
def averaged_gradient(x, kernel_size):
    """The gradient is shared by the whole window, as that of the mean is."""
    mean = functional.avg_pool2d(x, kernel_size)
    return mean + (functional.max_pool2d(x, kernel_size) - mean).detach()


@mutant(AVERAGE, "value")
class CountsThePadding(nn.AvgPool2d):
    """Says count_include_pad=False, and divides by k² all the same."""

    def __init__(self, kernel_size, stride=None, padding=0, count_include_pad=False):
        super().__init__(kernel_size, stride, padding, count_include_pad=count_include_pad)

    def forward(self, input):
        return functional.avg_pool2d(input, self.kernel_size, self.stride, self.padding)


@mutant(AVERAGE, "value", dialect="padding not counted")
def divides_by_all(x, kernel_size, stride=None, padding=0):
    """Declared not to count the padding; torch counts it unless told otherwise."""
    return functional.avg_pool2d(x, kernel_size, stride, padding)


@mutant(GLOBAL)
def over_channels_too(x):
    """The mean over everything but the batch."""
    return x.mean((1, 2, 3))


@mutant(GLOBAL, layout="batch, channel, height, width")
def channels_last_axes(x):
    """The axes of channels-last images: mean over (1, 2). Met in ports from TensorFlow."""
    return x.mean((1, 2))


@twin(CROSS)
def by_columns(x, weight, bias=None, stride=1, padding=0):
    """im2col and one matrix product."""
    columns = functional.unfold(x, weight.shape[-2:], padding=padding, stride=stride)
    rows = (x.shape[2] + 2 * padding - weight.shape[2]) // stride + 1
    y = (weight.flatten(1) @ columns).unflatten(-1, (rows, -1))
    return y if bias is None else y + bias.reshape(1, -1, 1, 1)


@twin(CROSS)
def by_windows(image, kernel):
    """One channel, window by window, as in a first course: a list of rows."""
    y = torch.zeros(image.shape[0] - kernel.shape[0] + 1, image.shape[1] - kernel.shape[1] + 1, dtype=image.dtype)
    for i, j, window in _windows(image, kernel):
        y[i, j] = (window * kernel).sum()
    return y


@twin(CROSS)
def channels_last(x, weight):
    """Images as [batch, height, width, channel], kernels as [m, n, in, out]."""
    return functional.conv2d(x.permute(0, 3, 1, 2), weight.permute(3, 2, 0, 1)).permute(0, 2, 3, 1)


@twin(PROPER)
def of_scipy(image, kernel):
    """scipy.signal.convolve2d, which turns the kernel; no gradient."""
    from scipy.signal import convolve2d

    return torch.from_numpy(convolve2d(image.detach().numpy(), kernel.detach().numpy(), mode="valid"))


@twin(TRANSPOSED)
def by_the_gradient(x, weight, stride=1, padding=0):
    """The transposed convolution as the gradient of the convolution, which it is."""
    rows, columns = (
        (n - 1) * stride - 2 * padding + k for n, k in zip(x.shape[2:], weight.shape[2:], strict=True)
    )  # fmt: skip
    with torch.enable_grad():
        image = torch.zeros(x.shape[0], weight.shape[1], rows, columns, dtype=x.dtype, requires_grad=True)
        forward = functional.conv2d(image, weight, stride=stride, padding=padding)
        (y,) = torch.autograd.grad(forward, image, x, create_graph=True)
    return y


@twin(MASKED)
class Remasked(nn.Conv2d):
    """PixelCNN's layer as most write it: the mask is multiplied into the weights themselves at every call."""

    def __init__(self, mask_type, in_channels, out_channels, kernel_size):
        super().__init__(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.register_buffer("mask", torch.ones_like(self.weight))
        centre = kernel_size // 2
        self.mask[:, :, centre, centre + (mask_type == "B") :] = 0
        self.mask[:, :, centre + 1 :] = 0

    def forward(self, x):
        self.weight.data *= self.mask
        return super().forward(x)


@twin(MAX)
def by_unfolding(x, kernel_size, stride=None):
    """Windows by unfold; ties share the gradient, as amax does."""
    step = stride or kernel_size
    return x.unfold(-2, kernel_size, step).unfold(-2, kernel_size, step).amax((-1, -2))


@twin(AVERAGE)
def by_a_kernel(x, kernel_size, stride=None, padding=0):
    """A depthwise convolution with a constant kernel."""
    kernel = torch.full((x.shape[1], 1, kernel_size, kernel_size), 1 / kernel_size**2, dtype=x.dtype)
    return functional.conv2d(x, kernel, stride=stride or kernel_size, padding=padding, groups=x.shape[1])


@twin(GLOBAL)
def kept_axes(x):
    """Axes of size one are kept."""
    return x.mean((2, 3), keepdim=True)


TWINS += [
    Twin(name="float32 only", make=lambda: Formula(nn.Conv2d(2, 2, 3), like=CROSS, dtype=torch.float32)),
    Twin(name=f"{CROSS}: scripted", make=lambda: Formula(scripted(nn.Conv2d(2, 2, 2, padding=1)), like=CROSS)),
]


@mutant(CROSS, "value", fixed={"padding": "same"})
def odd_pixel_before(x, weight):
    """Of an even kernel's "same" padding the odd pixel comes before the image: shapes agree, everything is shifted."""
    h, w = weight.shape[2] - 1, weight.shape[3] - 1
    return functional.conv2d(functional.pad(x, (w - w // 2, w // 2, h - h // 2, h // 2)), weight)


@mutant(CROSS, fixed={"padding": (2, 0, 1, 0)})
def sides_swapped(x, weight):
    """torch's pad takes the last axis first; here the rows' padding is given to the columns' other side."""
    return functional.conv2d(functional.pad(x, (0, 2, 1, 0)), weight)


@twin(CROSS, fixed={"padding": "same"})
def odd_pixel_after(x, weight):
    """torch's own rule, by hand."""
    h, w = weight.shape[2] - 1, weight.shape[3] - 1
    return functional.conv2d(functional.pad(x, (w // 2, w - w // 2, h // 2, h - h // 2)), weight)


@twin(CROSS, fixed={"padding": (2, 0, 1, 0)})
def causal(x, weight):
    """Padded on the left and above alone."""
    return functional.conv2d(functional.pad(x, (2, 0, 1, 0)), weight)


TWINS.append(
    Twin(
        name="even kernel, same, mirrored",
        make=lambda: Formula(nn.Conv2d(2, 3, (2, 4), padding="same", padding_mode="reflect"), like=CROSS),
    )
)
