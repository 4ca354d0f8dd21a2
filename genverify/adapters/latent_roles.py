"""Under which names people keep the parts of a variational autoencoder, and what the arguments of its loss mean.

Gathered from public code: pytorch/examples, AntixK/PyTorch-VAE, pythae, lightning-bolts, and course work.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ARGUMENTS", "DECODERS", "ENCODERS", "LATENTS", "LOSSES", "RESULTS", "role_of", "spelt"]

# In the order in which they are asked: a method that wraps a network comes before the network.
ENCODERS = tuple(
    """
    encode infer posterior q_z_given_x get_posterior encoder _encoder enc encoder_net inference inference_net
    recognition encoder_network encode_net
    """.split()
)
DECODERS = tuple(
    """
    decode p_x_given_z decoder_forward reconstruct_from decoder _decoder dec decoder_net generator
    generative_net decoder_network decode_net compute_sigmoid_given generate
    """.split()
)
LATENTS = tuple(
    """
    reparameterize reparametrize reparameterise reparametrise reparam reparameterization reparametrization
    reparameterization_trick reparameterize_trick sample_z sample_latent sampling sampler sample_gaussian
    _sample_gauss latent_sample rsample bottleneck sampling_layer reparametrization_trick _reparameterize
    _reparametrize _reparam re_parameterize reparamaterize
    """.split()
)
LOSSES = tuple(
    """
    loss_function loss_fn compute_loss get_loss calculate_loss calc_loss vae_loss elbo_loss negative_elbo
    neg_elbo nelbo negative_elbo_bound free_energy loss training_loss elbo ELBO compute_elbo calculate_elbo
    get_elbo lower_bound training_step _step step criterion
    """.split()
)
# Keys and attributes of a result that is the loss, among others.
RESULTS = tuple(
    """
    loss total_loss loss_total total nelbo neg_elbo negative_elbo objective elbo_loss vae_loss elbo ELBO
    """.split()
)

_X = tuple(
    """
    x input inputs data batch image images img imgs target targets original originals x_true obs observation
    x_in sample input_x x_input xs orig x_orig true_x real y_true ground_truth input_data
    """.split()
)
_RECONSTRUCTION = tuple(
    """
    recon_x x_recon recon recons recon_batch reconstruction reconstructions x_hat xhat hat_x x_rec rec_x rec
    reconstructed reconstructed_x x_reconstructed x_reconst reconst_x output outputs out pred preds prediction
    y_pred decoded x_tilde x_logits x_logit logits logit x_out x_prime x_pred recon_images recon_img x_decoded
    x_decoded_mean dec_out y_hat generated probs x_mean mu_x x_mu px_logits reconstr x_bar recon_logits
    """.split()
)
_MEAN = tuple(
    """
    mu mean z_mean z_mu mu_z loc means z_loc mean_z qz_mu mus q_mu q_mean latent_mean enc_mu post_mean
    """.split()
)
_SPREAD = tuple(
    """
    logvar log_var z_logvar z_log_var logvar_z log_var_z logvars log_variance lv logsigma log_sigma logsigma2
    sigma std stds var variance log_std logstd stddev z_std sigma_z log_sigma2 log_sigma_sq z_sigma q_logvar
    qz_logvar log_vars z_logstd log_covariance scale
    """.split()
)
_LATENT = tuple(
    """
    z z_sample z_samples latent latents sample_z code codes h_z zs sampled_z
    """.split()
)
_CONDITION = tuple(
    """
    c y cond condition conditions label labels context class_labels classes attrs cls ctx
    """.split()
)
_MODEL = tuple(
    """
    model vae net network module cvae autoencoder self
    """.split()
)
_RESULT = tuple(
    """
    results result model_output forward_output output_dict outs
    """.split()
)
_INDEX = tuple(
    """
    batch_idx batch_nb batch_index step epoch global_step iteration optimizer_idx
    """.split()
)
_SPREAD_OF_X = tuple(
    """
    logvar_x log_var_x x_logvar x_log_var sigma_x x_std recon_logvar logsigma_x
    """.split()
)

ARGUMENTS: Mapping[str, str] = {
    name: role
    for role, names in (
        ("index", _INDEX), ("result", _RESULT), ("model", _MODEL), ("condition", _CONDITION), ("latent", _LATENT),
        ("spread of x", _SPREAD_OF_X), ("spread", _SPREAD), ("mean", _MEAN), ("reconstruction", _RECONSTRUCTION),
        ("x", _X),
    )
    for name in names
}  # fmt: skip


def spelt(name: str) -> str:
    """A name without case and decoration."""
    return name.strip("_").lower()


def role_of(name: str) -> str | None:
    """What an argument of that name means, or None.

    >>> role_of("recon_x"), role_of("X"), role_of("logvar"), role_of("sigma2"), role_of("alpha")
    ('reconstruction', 'x', 'spread', None, None)
    """
    return ARGUMENTS.get(spelt(name))
