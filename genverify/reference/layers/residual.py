"""Residual blocks: two convolutions beside a path on which nothing happens.

Source: He, Zhang, Ren & Sun 2016, "Deep residual learning for image recognition"; He, Zhang, Ren & Sun 2016, "Identity
mappings in deep residual networks".
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

__all__ = ["BasicBlock", "BottleneckBlock", "PreactivationBlock"]


class BasicBlock(nn.Module):
    """The basic block of a residual network.

    y = σ(S(x) + N₂ K₂ σ(N₁ K₁ x)), σ the ReLU, K₁ and K₂ 3×3 convolutions of which the first has the stride,
    N₁ and N₂ batch normalisations, and S the identity, or a 1×1 convolution with a normalisation where shapes change

    Shapes: [batch, in_channels, height, width] → [batch, out_channels, ⌈height / stride⌉, ⌈width / stride⌉].

    Source: He et al. 2016, "Deep residual learning", section 3.3 and figure 5 (left).

    >>> import torch
    >>> BasicBlock(2, 4, stride=2)(torch.zeros(3, 2, 5, 6)).shape
    torch.Size([3, 4, 3, 3])
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        """Initialises as torch does."""
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """σ(S(x) + F(x))."""
        branch = functional.relu(self.norm1(self.conv1(x)))
        branch = self.norm2(self.conv2(branch))
        return functional.relu(self.shortcut(x) + branch)


class BottleneckBlock(nn.Module):
    """The bottleneck block of the deeper residual networks: narrow inside, and wide from block to block.

    y = σ(S(x) + N₃ K₃ σ(N₂ K₂ σ(N₁ K₁ x))), σ the ReLU, K₁ and K₃ 1×1 convolutions to and from `mid_channels`, K₂ a
    3×3 convolution that has the stride, N normalisations and S as in `BasicBlock`

    Shapes: [batch, in_channels, height, width] → [batch, out_channels, ⌈height / stride⌉, ⌈width / stride⌉].

    Source: He et al. 2016, "Deep residual learning", section 4.1 and figure 5 (right).

    >>> import torch
    >>> BottleneckBlock(4, 1, 4, stride=2)(torch.zeros(3, 4, 5, 6)).shape
    torch.Size([3, 4, 3, 3])
    """

    def __init__(self, in_channels: int, mid_channels: int, out_channels: int, stride: int = 1) -> None:
        """Initialises as torch does."""
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, mid_channels, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(mid_channels)
        self.conv2 = nn.Conv2d(mid_channels, mid_channels, 3, stride, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(mid_channels)
        self.conv3 = nn.Conv2d(mid_channels, out_channels, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(out_channels)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """σ(S(x) + F(x))."""
        branch = functional.relu(self.norm1(self.conv1(x)))
        branch = functional.relu(self.norm2(self.conv2(branch)))
        return functional.relu(self.shortcut(x) + self.norm3(self.conv3(branch)))


class PreactivationBlock(nn.Module):
    """The block with the activations before the convolutions: from block to block nothing but additions.

    y = S(x) + K₂ σ(N₂ K₁ σ(N₁ x)); S the identity, or a 1×1 convolution where shapes change

    Shapes: as `BasicBlock`.

    Source: He et al. 2016, "Identity mappings", figure 4(e).

    >>> import torch
    >>> PreactivationBlock(2, 2)(torch.zeros(3, 2, 5, 6)).shape
    torch.Size([3, 2, 5, 6])
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        """Initialises as torch does."""
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.shortcut = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """S(x) + F(x)."""
        branch = self.conv1(functional.relu(self.norm1(x)))
        branch = self.conv2(functional.relu(self.norm2(branch)))
        return self.shortcut(x) + branch
