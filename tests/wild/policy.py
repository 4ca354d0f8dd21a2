"""Wild pairs of returns, advantages and policy losses: what people wrote, wrong and right, each with its thread."""

from __future__ import annotations

import torch

from genverify.subjects.formula import Formula
from tests.wild.pair import Pair


def gae_first_step_flags(rewards, values, dones, next_value, next_done, gamma=0.99, lam=0.95):
    """`dones[t]` says that state t begins an episode, `next_done` the same of the state behind the last."""
    advantage, steps = 0.0, []
    for t in reversed(range(len(rewards))):
        behind = len(rewards) - 1 == t
        kept = 1.0 - (next_done if behind else dones[t + 1])
        delta = rewards[t] + gamma * kept * (next_value if behind else values[t + 1]) - values[t]
        advantage = delta + gamma * lam * kept * advantage
        steps.insert(0, advantage)
    return torch.stack(steps)


def gae_own_step_flags_shifted(rewards, values, dones, next_value, next_done, gamma=0.99, lam=0.95):
    """WRONG: the flag at the step itself, where flags stand at the first step of an episode.

    Source: hill-a/stable-baselines#385 (two meanings of one array of flags; asked there).  Symptom: every boundary
    of a batch is one step off; hides where no episode ends inside the batch.
    """
    advantage, steps = 0.0, []
    for t in reversed(range(len(rewards))):
        behind = len(rewards) - 1 == t
        kept = 1.0 - dones[t]
        delta = rewards[t] + gamma * kept * (next_value if behind else values[t + 1]) - values[t]
        advantage = delta + gamma * lam * kept * advantage
        steps.insert(0, advantage)
    return torch.stack(steps)


def gae_backwards(rewards, values, masks, last_value, gamma=0.99, lam=0.95):
    """r + γ m V' − V, then γ λ m A."""
    after = torch.cat([values[1:], last_value.unsqueeze(0)])
    delta, out, running = rewards + gamma * masks * after - values, torch.zeros_like(rewards), 0.0
    for t in range(len(rewards) - 1, -1, -1):
        out[t] = running = delta[t] + gamma * lam * masks[t] * running
    return out


def gae_value_masked_with_the_rest(rewards, values, masks, last_value, gamma=0.99, lam=0.95):
    """WRONG: at the end of an episode V(s_t) is not subtracted either.

    Source: AI4Finance-Foundation/ElegantRL#183.  Symptom: the last advantage of an episode is r instead of r − V;
    hides without ends.
    """
    out, before, after = torch.zeros_like(rewards), last_value, last_value
    for t in range(len(rewards) - 1, -1, -1):
        out[t] = rewards[t] + masks[t] * gamma * before - masks[t] * values[t]
        after = values[t] + out[t] * lam
        before = after
    return out


def gae_reads_its_own_place(rewards, values, masks, last_value, gamma=0.99, lam=0.95):
    """WRONG: the recursion reads A[t], which is still 0, for A[t + 1].

    Source: 4kasha/CartPole_PPO#1.  Symptom: λ is as good as 0, whatever it is set to.
    """
    after = torch.cat([values[1:], last_value.unsqueeze(0)])
    delta, out = rewards + gamma * masks * after - values, torch.zeros_like(rewards)
    for t in range(len(rewards) - 1, -1, -1):
        out[t] = out[t] * lam * gamma * masks[t] + delta[t]
    return out


def ppo(logp, old_logp, adv, eps_clip=0.2):
    """−mean min(r A, clip(r) A)."""
    ratio = torch.exp(logp - old_logp)
    return -torch.min(ratio * adv, torch.clamp(ratio, 1 - eps_clip, 1 + eps_clip) * adv).mean()


def ppo_minimum_of_ratios(logp, old_logp, adv, eps_clip=0.2):
    """WRONG: the minimum is taken of the ratios, before the advantage and its sign come in.

    Source: takuseno/ppo#3 (fixed there); proposed in tensorlayer/TensorLayer#1072.  Symptom: with A < 0 a ratio that
    has fallen far is never clipped; right for A > 0.
    """
    ratio = torch.exp(logp - old_logp)
    return -(torch.min(ratio, torch.clamp(ratio, 1 - eps_clip, 1 + eps_clip)) * adv).mean()


def ppo_two_sided(logp, old_logp, adv, eps_clip=0.2):
    """WRONG: |A| under the minimum and its sign outside.

    Source: proposed as a fix in ray-project/ray#37334.  Symptom: with A < 0 a ratio that has grown is held, so an action
    that became likelier and is bad gets no gradient; right for A > 0.
    """
    ratio, size = torch.exp(logp - old_logp), adv.abs()
    return -(adv.sign() * torch.min(size * ratio, size * torch.clamp(ratio, 1 - eps_clip, 1 + eps_clip))).mean()


def group_centred(rewards, n_samples_per_prompt):
    """Each answer against the mean of the answers to its prompt."""
    grouped = rewards.reshape(-1, n_samples_per_prompt)
    return (grouped - grouped.mean(-1, keepdim=True)).reshape(-1)


def group_centred_on_the_first(rewards, n_samples_per_prompt):
    """WRONG: the statistics of the first group serve for all.

    Source: ServiceNow/PipelineRL#54.  Symptom: "with the wrong advantages the whole thing still kinda works"; right for
    a single prompt.
    """
    grouped = rewards.reshape(-1, n_samples_per_prompt)
    return (grouped - grouped[:1].mean(-1, keepdim=True)).reshape(-1)


def group_standardised(rewards, eps=1e-6):
    """(r − mean)/(std + ε) over each row."""
    return (rewards - rewards.mean(1, keepdim=True)) / (rewards.std(1, keepdim=True) + eps)


def group_standardised_twice(rewards, eps=1e-6):
    """WRONG: standardised by group, and then again over everything.

    Source: axon-rl/gem#113.  Symptom: close to the first where groups are alike; the second division undoes the scale
    of the first.
    """
    first = (rewards - rewards.mean(1, keepdim=True)) / (rewards.std(1, keepdim=True) + eps)
    return (first - first.mean()) / (first.std() + eps)


def rloo(rewards, k):
    """Reward less the mean of the other k − 1 answers."""
    table = rewards.view(-1, k)
    return (table - (table.sum(1, keepdim=True) - table) / (k - 1)).view(-1)


def rloo_with_itself(rewards, k):
    """WRONG: the mean has the own answer in it.

    Source: redai-studio/Relax#174 (the table there shows 0.625 for 0.7143).  Symptom: (1 − 1/k) of the advantage.
    """
    table = rewards.view(-1, k)
    return (table - table.sum(1, keepdim=True) / k).view(-1)


def _pair(name, wrong, right, like):
    return Pair(
        name=name, wrong=lambda: Formula(wrong, like=f"policy.{like}", arguments=_more.get(wrong)),
        right=lambda: Formula(right, like=f"policy.{like}", arguments=_more.get(right)),
    )  # fmt: skip


_count = {"n_samples_per_prompt": "group_size"}
_more = {group_centred: _count, group_centred_on_the_first: _count}
PAIRS = [
    _pair("policy_gae_flags", gae_own_step_flags_shifted, gae_first_step_flags, "gae"),
    _pair("policy_gae_value_masked", gae_value_masked_with_the_rest, gae_backwards, "gae"),
    _pair("policy_gae_own_place", gae_reads_its_own_place, gae_backwards, "gae"),
    _pair("policy_ppo_ratios", ppo_minimum_of_ratios, ppo, "ppo_clip"),
    _pair("policy_ppo_two_sided", ppo_two_sided, ppo, "ppo_clip"),
    _pair("policy_first_group", group_centred_on_the_first, group_centred, "group_mean_advantage"),
    _pair("policy_standardised_twice", group_standardised_twice, group_standardised, "standardised_advantage"),
    _pair("policy_rloo_itself", rloo_with_itself, rloo, "leave_one_out_advantage"),
]
