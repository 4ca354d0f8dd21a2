"""References of layers: dense, convolution, pooling, residual blocks, the U-Net."""
