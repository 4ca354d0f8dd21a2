"""Under which names people keep the parts of a diffusion process, and what the arguments of its functions mean.

Gathered from public code: hojonathanho/diffusion, openai/improved-diffusion, lucidrains/denoising-diffusion-pytorch,
labml.ai, dome272/Diffusion-Models-pytorch, huggingface/diffusers, ermongroup/ddim, and course work.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["FUNCTIONS", "NETWORKS", "STATEMENTS", "TABLES", "matched", "predicted"]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# What a table is → its usual names, in the order in which they are asked.
TABLES: Mapping[str, tuple[str, ...]] = {
    "betas": _words("betas beta beta_t beta_schedule noise_schedule variance_schedule betas_t b_t"),
    "alphas_cumprod": _words(
        "alphas_cumprod alpha_cumprod alpha_bar alpha_bars alphas_bar alphabar alpha_hat alpha_hats abar a_bar ab "
        "bar_alpha bar_alphas alphas_cum alpha_cum alphas_prod alphabars cum_alphas gammas"
    ),
    "alphas": _words("alphas alpha alpha_t a_t"),
    "log_snr": _words("log_snr logsnr log_snrs logsnrs lambdas"),
    "sqrt_alphas_cumprod": _words(
        "sqrt_alphas_cumprod sqrt_alpha_cumprod sqrt_alpha_bar sqrt_alpha_bars sqrt_alphas_bar sqrt_alpha_hat sqrt_ab "
        "sqrt_abar sqrtab signal_rates signal_rate"
    ),
    "alphas_cumprod_prev": _words(
        "alphas_cumprod_prev alpha_cumprod_prev alpha_bar_prev alpha_bars_prev alphas_bar_prev alpha_hat_prev ab_prev "
        "abar_prev"
    ),
    "alphas_cumprod_next": _words("alphas_cumprod_next alpha_bar_next alpha_cumprod_next"),
    "sqrt_one_minus_alphas_cumprod": _words(
        "sqrt_one_minus_alphas_cumprod sqrt_one_minus_alpha_cumprod sqrt_one_minus_alpha_bar sqrt_one_minus_alpha_bars "
        "sqrt_one_minus_alphas_bar sqrt_one_minus_alpha_hat sqrt_one_minus_ab sqrt_one_minus_abar sqrtmab noise_rates "
        "noise_rate"
    ),
    "log_one_minus_alphas_cumprod": _words("log_one_minus_alphas_cumprod log_one_minus_alpha_bar"),
    "sqrt_recip_alphas_cumprod": _words("sqrt_recip_alphas_cumprod sqrt_recip_alpha_bar"),
    "sqrt_recipm1_alphas_cumprod": _words("sqrt_recipm1_alphas_cumprod sqrt_recipm1_alpha_bar"),
    "one_minus_alphas_cumprod": _words("one_minus_alphas_cumprod one_minus_alpha_bar"),
    "sqrt_alphas": _words("sqrt_alphas sqrt_alpha"),
    "sqrt_recip_alphas": _words("sqrt_recip_alphas sqrt_recip_alpha oneover_sqrta one_over_sqrt_alpha"),
    "sqrt_betas": _words("sqrt_betas sqrt_beta sqrt_beta_t"),
    "posterior_variance": _words("posterior_variance posterior_var post_var beta_tilde betas_tilde tilde_beta"),
    "posterior_log_variance_clipped": _words(
        "posterior_log_variance_clipped posterior_log_variance posterior_logvar posterior_log_var_clipped"
    ),
    "posterior_mean_coef1": _words("posterior_mean_coef1 posterior_mean_coef_x0 posterior_mean_coeff1 post_coef_x0"),
    "posterior_mean_coef2": _words("posterior_mean_coef2 posterior_mean_coef_xt posterior_mean_coeff2 post_coef_xt"),
    "snr": _words("snr snrs"),
}  # fmt: skip

NETWORKS = _words(
    "model denoise_fn denoise_model net network eps_model unet noise_predictor denoiser backbone eps_theta "
    "noise_model noise_net eps_net score_model nn_model denoising_model model_fn"
)
# Where a process says what its network predicts.
STATEMENTS = _words(
    "objective prediction_type model_mean_type parameterization parametrization pred_type prediction predict target "
    "mean_type model_output_type"
)

_X = _words("x sample img image images imgs data batch xs input inputs y z")
_X0 = (
    *_words("x0 x_0 x_start xstart original_samples clean original x_orig clean_images pred_xstart pred_x0 "
            "x_start_pred x0_pred x0_hat x_zero xhat x_recon x_hat data_batch pred_x_start predicted_x0"),
    *_X,
)  # fmt: skip
_XT = (
    *_words("xt x_t z_t zt noisy noisy_samples noisy_image noisy_images x_noisy latents latent img_t x_T noised "
            "x_prev_t latents_t y_t noised_x"),
    *_X,
)  # fmt: skip
_T = _words(
    "t timestep timesteps ts time i step k n t_index step_index time_step time_steps t_batch times cur_t idx steps "
    "t_idx current_t batched_times tt"
)
_NOISE = _words("noise eps epsilon e n z noises gaussian_noise eps_noise randn pred_noise noise_pred variance_noise")
_PREDICTION = _words(
    "model_output eps noise_pred pred_noise eps_pred eps_theta predicted_noise e_t model_out out pred prediction et "
    "epsilon_theta model_prediction eps_hat noise_hat output predicted epsilon predicted_eps net_out estimated_noise"
)
_V = _words("v velocity v_pred pred_v v_t v_hat v_prediction")
# As an argument eps_theta is what a network said.
_MODEL = (*(one for one in NETWORKS if one != "eps_theta"), *_words("fn f eps_fn predictor noise_estimation_model"))

ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "x0": _X0, "xt": _XT, "t": _T, "noise": _NOISE, "prediction": _PREDICTION, "v": _V, "model": _MODEL,
    "previous": _words("t_prev prev_t s next_t t_next prev_timestep previous_t timestep_prev previous_timestep t_to "
                       "time_next t_previous"),
    "index": _words("t_index step_index t_idx idx index i"),
    "eta": _words("eta ddim_eta eta_ddim ddim_sampling_eta"),
    "shape": _words("shape size image_shape x_shape"),
    "batch": _words("batch_size n_samples n num_samples b bs batch n_sample num_images samples"),
}  # fmt: skip

# What a function is → its usual names, and what its arguments may be, in the order in which they are matched.
FUNCTIONS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "q_sample": (
        _words("q_sample forward_process add_noise noise_images forward_diffusion forward_diffusion_sample diffuse "
               "sample_q q_sample_from_x0 noising noise_image forward_noise sample_forward forward_sample "
               "q_xt_given_x0 add_gaussian_noise perturb"),
        ("x0", "t", "noise"),
    ),
    "q_mean_variance": (_words("q_mean_variance q_xt_x0 q_mean_var"), ("x0", "t")),
    "posterior": (
        _words("q_posterior q_posterior_mean_variance posterior q_posterior_mean posterior_mean_variance "
               "q_posterior_mean_var posterior_mean"),
        ("t", "x0", "xt"),
    ),
    "x0_from_eps": (
        _words("predict_start_from_noise _predict_xstart_from_eps predict_xstart_from_eps predict_x0_from_eps "
               "predict_x0_from_noise predict_x_start_from_noise pred_x0_from_eps predict_start x0_from_eps "
               "predict_x0"),
        ("t", "noise", "xt"),
    ),
    "eps_from_x0": (
        _words("predict_noise_from_start _predict_eps_from_xstart predict_eps_from_xstart predict_eps_from_x0 "
               "predict_noise_from_x0 eps_from_x0"),
        ("t", "xt", "x0"),
    ),
    "v_target": (_words("predict_v get_v get_velocity v_target calc_v"), ("t", "noise", "x0")),
    "x0_from_v": (
        _words("predict_start_from_v predict_x0_from_v predict_start_from_z_and_v _predict_xstart_from_v x0_from_v"),
        ("t", "v", "xt"),
    ),
    "eps_from_v": (
        _words("predict_eps_from_z_and_v predict_noise_from_v predict_eps_from_v _predict_eps_from_v eps_from_v"),
        ("t", "v", "xt"),
    ),
    "p_mean_variance": (
        _words("p_mean_variance p_mean_var reverse_mean_variance"), ("model", "prediction", "t", "xt"),
    ),
    "p_sample": (
        _words("p_sample p_sample_step reverse_step denoise_step backward_step remove_noise "
               "sample_timestep ddpm_step p_step reverse_sample denoise_one_step sample_prev"),
        ("model", "prediction", "t", "index", "noise", "xt"),
    ),
    "ddim_step": (
        _words("ddim_step ddim_sample ddim_p_sample p_sample_ddim ddim_sample_step sample_ddim_step step_ddim"),
        ("model", "prediction", "previous", "t", "eta", "noise", "xt"),
    ),
    "p_loop": (
        _words("p_sample_loop sample generate sample_loop sampling ddpm_sample p_loop ancestral_sample"),
        ("model", "shape", "batch"),
    ),
    "ddim_loop": (
        _words("ddim_sample_loop ddim_sample ddim_loop sample_ddim ddim_sampling"), ("model", "shape", "batch", "eta"),
    ),
    "loss": (
        _words("p_losses training_losses loss compute_loss p_loss get_loss diffusion_loss train_loss training_loss "
               "loss_fn"),
        ("model", "t", "noise", "x0"),
    ),
}  # fmt: skip

# Without these a function of that name is something else.
NEEDED: Mapping[str, frozenset[str]] = {
    "q_sample": frozenset({"x0", "t"}), "q_mean_variance": frozenset({"x0", "t"}),
    "posterior": frozenset({"x0", "xt", "t"}), "x0_from_eps": frozenset({"xt", "t", "noise"}),
    "eps_from_x0": frozenset({"xt", "t", "x0"}), "v_target": frozenset({"x0", "t", "noise"}),
    "x0_from_v": frozenset({"xt", "t", "v"}), "eps_from_v": frozenset({"xt", "t", "v"}),
    "p_mean_variance": frozenset({"xt", "t"}), "p_sample": frozenset({"xt", "t"}),
    "ddim_step": frozenset({"xt", "t"}), "p_loop": frozenset(), "ddim_loop": frozenset(),
    "loss": frozenset({"x0", "t"}),
}  # fmt: skip


def matched(role: str, names: list[str], said: Mapping[str, str]) -> dict[str, str]:
    """Parameter → what it is, for the parameters of a function with that role; what is said of one counts first.

    The most telling name of an argument wins: of (x, x_start) the second is x_0.

    >>> matched("posterior", ["x", "x_start", "t"], {})
    {'t': 't', 'x_start': 'x0', 'x': 'xt'}
    """
    found = {name: said[name] for name in names if name in said}
    for what in FUNCTIONS[role][1]:
        if what in found.values():
            continue
        aliases = [alias for alias in ARGUMENTS[what] if alias in names and alias not in found]
        if aliases:
            found[aliases[0]] = what
    return found


def predicted(said: Any) -> str:  # noqa: ANN401 - a word, a member of an enumeration, or anything
    """What a network predicts, by its process's own word: eps, x0 or v; "" where that says nothing.

    >>> [predicted(word) for word in ("pred_noise", "START_X", "v_prediction", "other")]
    ['eps', 'x0', 'v', '']
    """
    word = str(getattr(said, "name", said)).lower()
    if word in ("v", "pred_v", "v_prediction", "velocity", "predict_v"):
        return "v"
    if "eps" in word or "noise" in word:
        return "eps"
    if any(part in word for part in ("x0", "x_0", "start", "sample", "original")):
        return "x0"
    return ""
