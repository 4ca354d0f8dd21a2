"""Returns, temporal differences and advantages as explicit sums, and the clipped surrogate, in additive terms.

A recursion that runs from the last step to the first is written here as the double sum that it stands for: what step t
gets of step s ≥ t is weighted by γ^(s−t), by λ^(s−t), and by 0 where an episode ended in between.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["actor_loss", "alive", "centred", "ema_advantage", "gae", "ppo_clip", "returns", "standardised", "td_error"]

Terms = tuple[Tensor, ...]
Number = Tensor | float


def alive(rewards: Tensor, dones: Tensor | None, next_done: Tensor | None, *, late: bool = False) -> Tensor:
    """1 − d_t: whether what follows step t belongs to it.

    `dones` says that the episode ends at step t; where `next_done` is given, too, they say that it ended before step t,
    and `next_done` that it ended at the last. `late` is the slip of reading d_{t+1} for d_t, and the last one twice.

    Shapes: [..., time] all but `next_done` [...]; [..., time].

    >>> alive(torch.zeros(2), torch.tensor([0.0, 1.0]), torch.tensor(0.0))
    tensor([0., 1.])
    """
    if dones is None:
        return torch.ones_like(rewards)
    ends = dones.to(rewards)
    if next_done is not None or late:
        last = ends[..., -1:] if next_done is None else next_done.to(rewards).unsqueeze(-1)
        ends = torch.cat((ends[..., 1:], last), -1)
    return 1.0 - ends


def _state_after(
    rewards: Tensor, values: Tensor, next_value: Tensor | None, next_values: Tensor | None
) -> tuple[Tensor, Tensor]:
    """V(s_t) and V(s_{t+1}) for each step, however the last one is given; zero where it is not."""
    steps = rewards.shape[-1]
    now = values[..., :steps]
    if next_values is not None:
        return now, next_values
    if values.shape[-1] > steps:
        return now, values[..., 1:]
    last = torch.zeros_like(now[..., -1:]) if next_value is None else next_value.unsqueeze(-1)
    return now, torch.cat((now[..., 1:], last), -1)


def _shifted(of: Tensor, lag: int) -> Tensor:
    """`of` at step t + lag, and zero behind the last step."""
    return torch.cat((of[..., lag:], torch.zeros_like(of[..., :lag])), -1)


def _weighted(parts: Terms, rate: Number, keep: Tensor) -> Terms:
    """Σ_{s ≥ t} rate^(s−t) Π_{t ≤ k < s} keep_k part_s: a term for each part and each lag."""
    found, weight = [], torch.ones_like(keep)
    for lag in range(keep.shape[-1]):
        found += [weight * rate**lag * _shifted(part, lag) for part in parts]
        weight = weight * _shifted(keep, lag)
    return tuple(found)


def returns(
    rewards: Tensor, gamma: Number, dones: Tensor | None = None, next_value: Tensor | None = None,
    next_done: Tensor | None = None, *, late: bool = False, horizon: str = "", scale: float = 0.0,
) -> Terms:  # fmt: skip
    """G_t = Σ_{s ≥ t} γ^(s−t) r_s up to the end of the episode, and γ^(T−t) V(s_T) where it has none.

    Other readings: the whole return G_0 at every step; γ^t G_t, discounted from the start.

    Shapes: [..., time] all but `next_value` and `next_done` [...]; each of the terms [..., time].

    Source: Sutton & Barto 2018, eq. 3.8 and 3.9.

    >>> sum(returns(torch.tensor([1.0, 1.0]), 0.5))
    tensor([1.5000, 1.0000])
    """
    keep = alive(rewards, dones, next_done, late=late)
    found = list(_weighted((rewards,), gamma, keep))
    if next_value is not None:
        # The value follows the last step as a reward that comes one step later.
        last = torch.zeros_like(rewards)
        last = torch.cat((last[..., :-1], (gamma * keep[..., -1] * next_value).unsqueeze(-1)), -1)
        found += _weighted((last,), gamma, keep)
    if horizon == "whole":
        found = [one[..., :1].expand_as(one) for one in found]
    if horizon == "start":
        steps = torch.arange(rewards.shape[-1])
        found = [torch.as_tensor(gamma, dtype=one.dtype) ** steps * one for one in found]
    if scale:
        whole = torch.stack(found).sum(0)
        return standardised(whole, eps=scale)
    return tuple(found)


def td_error(
    reward: Tensor, value: Tensor, next_value: Tensor, gamma: Number, dones: Tensor | None = None, *, sign: float = 1.0
) -> Terms:
    """δ = r + γ (1 − d) V(s') − V(s).

    Shapes: all broadcast.

    Source: Sutton & Barto 2018, eq. 6.5.

    >>> float(sum(td_error(torch.tensor(1.0), torch.tensor(2.0), torch.tensor(2.0), 0.5)))
    0.0
    """
    kept = 1.0 if dones is None else 1.0 - dones.to(reward)
    return sign * reward, sign * gamma * kept * next_value, -sign * value


def gae(
    rewards: Tensor, values: Tensor, gamma: Number, lam: Number, dones: Tensor | None = None,
    next_value: Tensor | None = None, next_values: Tensor | None = None, next_done: Tensor | None = None, *,
    late: bool = False, through: str = "", plus_values: bool = False, scale: float = 0.0,
) -> Terms:  # fmt: skip
    """A_t = Σ_{s ≥ t} (γλ)^(s−t) δ_s up to the end of the episode.

    Slips, `through` the end of an episode: the "sum" runs on, or the "value" of the next one is taken for what follows.

    Shapes: [..., time] all but `next_value` and `next_done` [...]; values may have one state more; terms [..., time].

    Source: Schulman, Moritz, Levine, Jordan & Abbeel 2016, eq. 16.

    >>> sum(gae(torch.tensor([1.0, 1.0]), torch.zeros(2), 0.5, 0.5))
    tensor([1.2500, 1.0000])
    """
    keep, every = alive(rewards, dones, next_done, late=late), torch.ones_like(rewards)
    now, after = _state_after(rewards, values, next_value, next_values)
    parts = (rewards, gamma * (every if through == "value" else keep) * after, -now)
    found = _weighted(parts, gamma * lam, every if through == "sum" else keep)
    if scale:
        return standardised(torch.stack(found).sum(0), eps=scale)
    return (*found, now) if plus_values else found


def centred(rewards: Tensor, *, leave_one_out: bool = False, advantage: bool = True) -> Terms:
    """Each reward less the mean of its group, or of the others of it.

    Shapes: [..., group]; each of the terms, too.

    Source: Shao et al. 2024, section 4.1; Kool, van Hoof & Welling 2019, eq. 8.

    >>> sum(centred(torch.tensor([1.0, 3.0])))
    tensor([-1.,  1.])
    """
    count = rewards.shape[-1]
    total = rewards.sum(-1, keepdim=True).expand_as(rewards)
    if leave_one_out:
        return rewards, -total / (count - 1), rewards / (count - 1)
    return rewards, -total / count


def standardised(
    rewards: Tensor, *, eps: Number = 1e-8, biased: bool = False, place: str = "", together: bool = False
) -> Terms:  # fmt: skip
    """(r − mean)/(std + ε) along the last axis, over n − 1, or over n where `biased`; one std for all rows `together`.

    ε stands beside the standard deviation, under the "root" beside the variance, or as its "floor".

    Shapes: [..., group]; each of the terms, too.

    Source: Shao et al. 2024, section 4.1; without ε there.

    >>> sum(standardised(torch.tensor([1.0, 2.0, 3.0]), eps=0.0))
    tensor([-1.,  0.,  1.])
    """
    variance = (rewards.reshape(-1) if together else rewards).var(-1, keepdim=True, correction=0 if biased else 1)
    eps = torch.as_tensor(eps, dtype=rewards.dtype)
    # Equal rewards have no spread, whatever the slope of a root at 0.
    some = variance > 0
    std = torch.where(some, torch.where(some, variance, torch.ones_like(variance)).sqrt(), torch.zeros_like(variance))
    if place == "root":
        below = torch.sqrt(variance + eps)
    else:
        below = torch.maximum(std, eps) if place == "floor" else std + eps
    mean = rewards.mean(-1, keepdim=True)
    return rewards / below, -mean.expand_as(rewards) / below


def ema_advantage(
    rewards: Tensor, decay: Number, baseline: Number = 0.0, *, seen: bool = False, first: bool = False,
    exchanged: bool = False,
) -> Terms:  # fmt: skip
    """The reward less b, with b ← β b + (1 − β) mean r after each batch; of the last batch, where there are several.

    Readings: b moves before it is subtracted (`seen`); it begins at the `first` mean; β and 1 − β are exchanged.

    Shapes: rewards [n] or [batches, n]; the terms [n].

    Source: Williams 1992, section 4 (reinforcement comparison).

    >>> sum(ema_advantage(torch.tensor([[1.0, 1.0], [2.0, 2.0]]), 0.5, torch.tensor(0.0)))
    tensor([1.5000, 1.5000])
    """
    batches = rewards if rewards.dim() > 1 else rewards.unsqueeze(0)
    count = len(batches) if seen else len(batches) - 1
    old, new = (1.0 - decay, decay) if exchanged else (decay, 1.0 - decay)
    means = [one.mean().expand_as(batches[-1]) for one in batches]
    start = means[0] if first else torch.as_tensor(baseline).to(rewards).expand_as(batches[-1])
    moved = [-(old ** (count - 1 - i)) * new * means[i] for i in range(count)]
    return (batches[-1], -(old**count) * start, *moved)


def actor_loss(
    log_probs: Tensor, advantages: Tensor | None = None, returns: Tensor | None = None, values: Tensor | None = None,
    rewards: Tensor | None = None, next_values: Tensor | None = None, dones: Tensor | None = None, gamma: Number = 0.99,
    *, sign: float = -1.0, fixed: bool = False,
) -> Terms:  # fmt: skip
    """−log π A for each sample, A given or G − V or r + γ (1 − d) V' − V; a number in the gradient where `fixed`.

    Shapes: all [batch]; each of the terms, too.

    Source: Mnih et al. 2016, section 4 and algorithm S3.

    >>> sum(actor_loss(torch.tensor([-1.0]), returns=torch.tensor([3.0]), values=torch.tensor([1.0])))
    tensor([2.])
    """
    if advantages is not None:
        parts: Terms = (advantages,)
    elif returns is not None and values is not None:
        parts = (returns, -values)
    elif rewards is not None and values is not None and next_values is not None:
        parts = td_error(rewards, values, next_values, gamma, dones)
    else:
        raise ValueError("given neither advantages, nor returns and values, nor rewards and two values")
    return tuple(sign * log_probs * (part.detach() if fixed else part) for part in parts)


def ppo_clip(
    log_probs: Tensor, advantages: Tensor, old_log_probs: Tensor | None = None, clip: Number = 0.2,
    clip_low: Number | None = None, clip_high: Number | None = None, dual: Number | None = None, *,
    sign: float = -1.0, slip: str = "",
) -> Terms:  # fmt: skip
    """−min(r A, clip(r, 1 − ε, 1 + ε) A) by its four cases; the first argument is log r where there is no old one.

    For A > 0 it is min(r, 1 + ε) A, for A < 0 max(r, 1 − ε) A, and where `dual` is given not below c A.
    Slips: the "largest" of the two; the ratio clipped to both sides "always"; "ratio", the least before A multiplies.

    Shapes: all [batch]; each of the terms, too.

    Source: Schulman, Wolski, Dhariwal, Radford & Klimov 2017, eq. 7; Ye et al. 2020, eq. 5, for `dual`.

    >>> ppo_clip(torch.tensor([1.0]), torch.tensor([2.0]), torch.tensor([0.0]), 0.25)
    (tensor([-2.5000]),)
    """
    ratio = torch.exp(log_probs if old_log_probs is None else log_probs - old_log_probs)
    low = 1.0 - (clip if clip_low is None else clip_low)
    high = 1.0 + (clip if clip_high is None else clip_high)
    gains = advantages >= 0
    if slip == "always":
        used = ratio.clamp(float(low), float(high))
    elif slip == "ratio":
        used = ratio.clamp(max=float(high))
    elif slip == "largest":
        used = torch.where(gains, ratio.clamp(min=float(low)), ratio.clamp(max=float(high)))
    else:
        used = torch.where(gains, ratio.clamp(max=float(high)), ratio.clamp(min=float(low)))
        if dual is not None:
            used = torch.where(gains, used, used.clamp(max=float(dual)))
    return (sign * used * advantages,)
