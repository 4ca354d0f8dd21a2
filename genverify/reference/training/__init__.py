"""What stands between a loss and a step: clipping, accumulation, the scaling of a loss, the average of the weights."""
