"""Dropout that is the same whether one thread or a team computes a batch."""

import paddle
from paddle import nn
from paddle.nn import functional

from lung_ssp.training.distributed import by_first, in_team, shard, world_size


class Dropout(nn.Dropout):
    """Paddle's dropout; in a team, the first thread draws for the whole batch."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """(n, ...) to the same shape."""
        if not (self.training and in_team()):
            return nn.Dropout.forward(self, x)
        whole = [x.shape[0] * world_size(), *x.shape[1:]]
        kept = by_first(lambda: functional.dropout(paddle.ones(whole), self.p))
        return x * shard(kept)
