"""Names that people give to what a training step takes: networks, optimizers, noise, data."""

from __future__ import annotations

import re

__all__ = ["role_of"]

_G = ("g", "netg", "net_g", "g_net", "generator", "gen", "gnet", "model_g", "g_model", "generator_model", "gmodel",
      "modelg", "gen_model", "netgen", "gen_net", "net_gen", "g_ema")  # fmt: skip
_D = ("d", "netd", "net_d", "d_net", "discriminator", "disc", "dis", "dnet", "model_d", "d_model", "critic", "netc",
      "net_c", "c", "f", "discriminator_model", "dmodel", "modeld", "disc_model", "netdisc", "disc_net", "net_disc",
      "adversary", "critic_model")  # fmt: skip
_OPTIMIZERS = ("opt", "optim", "optimizer", "optimiser", "solver")
_NOISE = ("z", "noise", "latent", "latents", "latent_vector", "latent_vectors", "eps", "epsilon", "noise_batch", "zs",
          "z_batch", "random_noise", "latent_noise", "fixed_noise", "input_noise", "latent_z", "z_noise", "noises",
          "latent_code")  # fmt: skip
_REAL = ("real", "x", "batch", "images", "real_images", "real_data", "reals", "data", "x_real", "real_x", "real_batch",
         "real_imgs", "imgs", "real_samples", "samples", "inputs", "input", "image", "real_image", "img", "xr",
         "data_batch", "batch_real", "x_batch", "real_img", "data_real", "images_real", "true", "true_data", "x_data",
         "real_inputs", "real_input", "target", "training_data", "minibatch", "batch_x", "xb")  # fmt: skip
_FAKE = ("fake", "fake_images", "fake_data", "fakes", "x_fake", "fake_x", "fake_batch", "fake_imgs", "fake_samples",
         "gen_imgs", "generated", "generated_images", "generated_data", "x_gen", "batch_fake", "fake_img", "fake_image",
         "data_fake", "xf", "gen_images", "synthetic", "x_g")  # fmt: skip
_SIZES = {
    "batch size": ("batch_size", "bs", "b_size", "n", "batchsize", "batch_sz", "size", "num_samples", "n_samples",
                   "data_batch_size", "n_batch", "bsz", "b"),
    "latent size": ("latent_dim", "nz", "z_dim", "latent_size", "noise_dim", "dim_z", "zdim", "noise_size", "n_z",
                    "latent_dims", "dim_noise", "z_size", "nlatent", "latent_dimension"),
    "clip": ("c", "clip", "clip_value", "weight_clip", "clip_val", "weight_cliping_limit", "weight_clip_value",
             "clip_limit", "weight_clipping_limit", "clamp", "w_clip", "clipping", "weight_clipping", "weight_cap"),
    # The two ends of a clip apart, as the authors of WGAN have them.
    "clip upper": ("clamp_upper", "clip_upper", "clamp_max", "clip_max", "upper_clip", "clip_high"),
    "clip lower": ("clamp_lower", "clip_lower", "clamp_min", "clip_min", "lower_clip", "clip_low"),
    "rounds": ("n_critic", "critic_iterations", "critic_iters", "d_steps", "n_dis", "critic_steps", "num_critic",
               "n_steps", "k", "d_iters", "n_critic_steps", "diters"),
    "unrolled": ("unroll_steps", "unrolled_steps", "n_unroll", "num_unroll", "unrolling_steps", "k_unroll", "unroll",
                 "unroll_k", "num_unrolled_steps", "unrolled", "unrolling", "n_unrolled", "lookahead"),
    "inner rate": ("lr", "eta", "inner_lr", "lr_d", "d_lr", "unroll_lr", "step_size", "lr_inner", "unrolled_lr",
                   "learning_rate", "inner_rate", "rate"),
    "device": ("device", "dev"),
    "criterion": ("criterion", "loss_fn", "loss", "bce", "adversarial_loss", "loss_function", "gan_loss", "loss_func",
                  "bce_loss", "crit", "loss_fun", "adversarial_criterion", "criterion_gan", "gan_criterion", "lossfn",
                  "bceloss", "objective"),
    "ones": ("real_labels", "real_label", "valid", "ones", "target_real", "y_real", "label_real", "labels_real",
             "real_target", "real_targets", "true_labels"),
    "zeros": ("fake_labels", "fake_label", "zeros", "target_fake", "y_fake", "label_fake", "labels_fake", "invalid",
              "fake_target", "fake_targets"),
    "penalty weight": ("lambda_gp", "gp_weight", "lam", "lambda_", "gp_lambda", "lmbda", "gradient_penalty_weight",
                       "lambda_term", "gp_coef", "gamma", "r1_gamma", "lambd"),
}  # fmt: skip


def _owner(rest: str) -> str:
    """Whose optimizer it is, by what the name says beside that."""
    rest = rest.strip("_")
    if rest in _G:
        return "G"
    return "D" if rest in _D else ""


def role_of(name: str, *, alone: bool = True) -> str:
    """What a parameter or an attribute of that name is: G, D, optimizer G, noise, real, …; empty where unknown.

    Args:
        name: As it is written.
        alone: Whether names that are words for several things (c, n, x) count.

    >>> role_of("netG"), role_of("optimizer_D"), role_of("real_images"), role_of("g_optim"), role_of("epoch")
    ('G', 'optimizer D', 'real', 'optimizer G', '')
    >>> role_of("RealImages"), role_of("clamp_lower"), role_of("latentDim")
    ('real', 'clip lower', 'latent size')
    """
    found = _role(name, alone)
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return found if found or parted == name else _role(parted, alone)


def _role(name: str, alone: bool) -> str:
    """The same of a name as it is written, with underlines between its words."""
    plain = name.lower().strip("_")
    if not alone and len(plain) < 2 and name not in ("G", "D"):
        return ""
    if plain in _G:
        return "G"
    if plain in _D and plain not in ("c", "f"):
        return "D"
    for word in sorted(_OPTIMIZERS, key=len, reverse=True):
        if plain == word or plain == word + "s":
            return "optimizer"
        for rest in (plain.removeprefix(word), plain.removesuffix(word)):
            if rest != plain and (owner := _owner(rest)):
                return f"optimizer {owner}"
    if plain in _NOISE:
        return "noise"
    if plain in _REAL:
        return "real"
    if plain in _FAKE:
        return "fake"
    if name in ("C", "F"):
        return "D"
    found = next((role for role, names in _SIZES.items() if plain in names), "")
    return found or ("D" if plain in _D else "")
