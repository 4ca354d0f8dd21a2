"""Wild pairs of residual blocks: what people wrote, wrong and right."""

import torch.nn.functional as F
from tests.wild.pair import Pair
from torch import nn

from genverify.subjects.formula import Formula


class ResBlock(nn.Module):
    """Basic block: relu(shortcut(x) + conv2(relu(conv1(x)))), the stride on conv1."""

    def __init__(self, cin, cout, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.short = nn.Identity() if stride == 1 and cin == cout else nn.Conv2d(cin, cout, 1, stride, bias=False)

    def branch(self, x):
        return self.conv2(F.relu(self.conv1(x)))

    def forward(self, x):
        return F.relu(self.short(x) + self.branch(x))


class ResBlockReluFirst(ResBlock):
    """WRONG: the branch goes through ReLU before the addition, so the residual can only increase x.

    Source: kuangliu/pytorch-cifar#4.  Symptom: shape right; forward(x) >= shortcut(x) for non-negative x;
    hides when the branch is non-negative.
    """

    def forward(self, x):
        return F.relu(self.short(x) + F.relu(self.branch(x)))


class ResBlockStrideOnSecond(ResBlock):
    """WRONG: the stride is put on the second convolution.

    Source: google-deepmind/dm-haiku#85.  Symptom: output shape and parameter count are the same, values
    and cost differ; hides at stride 1.
    """

    def __init__(self, cin, cout, stride=1):
        super().__init__(cin, cout, stride)
        self.conv1.stride, self.conv2.stride = (1, 1), (stride, stride)


def _pair(name, wrong):
    return Pair(
        name=name,
        wrong=lambda: Formula(wrong, like="residual.basic_block"),
        right=lambda: Formula(ResBlock, like="residual.basic_block"),
    )


PAIRS = [_pair("resnet_relu_first", ResBlockReluFirst), _pair("resnet_stride_second", ResBlockStrideOnSecond)]
