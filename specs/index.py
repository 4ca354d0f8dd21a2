"""The reading order, and the status of every claim: ``python -m specs.index`` writes specs/README.md."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from genverify.claims import Claim, Status
from genverify.formulas.catalogue import all_claims

HERE = Path(__file__).resolve().parent
README = HERE / "README.md"

# Topics in the order in which they build on each other; a page that is not named here comes after them.
READING_ORDER = (
    "activations",
    "softmax",
    "vanishing_gradient",
    "dense_layer",
    "convolution",
    "convolution_equivariance",
    "gradient_flow",
    "residual_block",
    "residual_invertibility",
    "unet",
    "normalization",
    "dropout",
    "initialization",
    "normal_density",
    "densities",
    "density_functionals",
    "losses",
    "beta_nll",
    "accuracy_table",
    "jacobian_hessian",
    "critical_points",
    "gauss_newton",
    "loss_landscape",
    "gradient_descent",
    "momentum",
    "quasi_newton",
    "adam",
    "adam_variants",
    "amsgrad",
    "weight_decay",
    "schedules",
    "gradient_clipping",
    "weight_averaging",
    "sample_moments",
    "gaussian_fit",
    "conditioning",
    "mixtures",
    "kl_divergence",
    "kl_pairs",
    "divergences",
    "two_samples",
    "reparameterisation",
    "measure_valued",
    "score_function",
    "control_variates",
    "variance_ordering",
    "policy_gradients",
    "gumbel_softmax",
    "importance_sampling",
    "stochastic_traces",
    "roulette",
    "linear_autoencoder",
    "linear_gaussian_vae",
    "elbo",
    "iwae",
    "likelihood_estimation",
    "vae",
    "posterior_collapse",
    "conditional_vae",
    "vector_quantisation",
    "vqvae",
    "outlier_detection",
    "adversarial_losses",
    "gradient_penalty",
    "training_step",
    "unrolled_gan",
    "lipschitz",
    "spectral_norm",
    "orthogonality",
    "critic_layers",
    "transport",
    "duality",
    "games",
    "adversarial_training",
    "change_of_variables",
    "affine_coupling",
    "flow_elementwise",
    "linear_flows",
    "low_rank_flows",
    "autoregressive_flows",
    "spline_flows",
    "large_flows",
    "residual_flows",
    "continuous_flows",
    "dequantization",
    "flow_training",
    "diffusion_process",
    "diffusion_sampling",
    "sampler_convergence",
    "score_matching",
    "diffusion_equations",
    "edm",
    "edm_sampling",
    "flow_matching",
    "ddpm_training",
)

_HEAD = """\
# Reading order

<!-- Written by `python -m specs.index`; a test fails when it is stale. -->

Each page goes from source to claim, derivation, reference and verdict, and reads from top to bottom without running
anything; each claim on it is proved, supported or refuted by tests (`pytest specs`, which shows the status of each).

DERIVED: a written proof whose algebra SymPy executes; the theorems it uses are cited. SUPPORTED: checked, not proved.
REFUTED: false as its source states it; the page shows the counterexample and proves the corrected statement. An
equation is rendered from the object that the page's tests assert on; the notation is the one in which it runs. Where a
source is "the Blog", it is the series "Fundamentals of deep learning", "Training dynamics" and "Generative models",
whose statements these pages put to the test.
"""


@dataclass(frozen=True, kw_only=True)
class Page:
    """One topic.

    Attributes:
        topic: The name of its file.
        title: The first sentence of its docstring.
        claims: The names of its claims, in the order in which they first appear.
    """

    topic: str
    title: str
    claims: tuple[str, ...]


def _proved(tree: ast.Module) -> Iterator[str]:
    """The names in ``@proves("...")``, in order."""
    for node in tree.body:
        for mark in getattr(node, "decorator_list", ()):
            if isinstance(mark, ast.Call) and getattr(mark.func, "id", getattr(mark.func, "attr", "")) == "proves":
                yield ast.literal_eval(mark.args[0])


def pages(folder: Path = HERE) -> list[Page]:
    """Every file that proves something, in reading order; read, not imported."""
    found = []
    for path in sorted(folder.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
        claims = tuple(dict.fromkeys(_proved(tree)))
        if claims:
            title = " ".join((ast.get_docstring(tree) or path.stem).partition("\n\n")[0].split())
            found.append(Page(topic=path.stem, title=title.rstrip("."), claims=claims))
    known = {topic: rank for rank, topic in enumerate(READING_ORDER)}
    return sorted(found, key=lambda page: (known.get(page.topic, len(known)), page.topic))


def _cell(text: str) -> str:
    """Plain text in a table: a bar would end the cell, and stars and underscores would mark it up."""
    for mark in ("\\", "|", "*", "_", "<", "`"):
        text = text.replace(mark, "\\" + mark)
    return " ".join(text.split())


def _counted(claims: Iterable[Claim]) -> str:
    known = [claim.status for claim in claims]
    return ", ".join(f"{known.count(status)} {status}" for status in Status if status in known)


def _claim(claim: Claim) -> Iterator[str]:
    yield f"**{claim.status}** `{claim.name}`. {_cell(claim.statement)}"
    yield ""
    if claim.equation is not None:
        yield f"```math\n{claim.latex()}\n```"
        yield ""
    if claim.counterexample:
        yield f"- counterexample: {_cell(claim.counterexample)}"
        yield f"- what holds: {_cell(claim.corrected)}"
    if claim.assumptions:
        yield f"- assumed: {_cell('; '.join(claim.assumptions))}"
    if claim.theorems:
        yield f"- used: {_cell('; '.join(claim.theorems))}"
    yield f"- source: {_cell(claim.source)}"
    yield ""


def write(claims: dict[str, Claim], order: list[Page]) -> str:
    """The text of README.md."""
    lines = [_HEAD]
    lines += [f"{len(claims)} claims: {_counted(claims.values())}.", "", "| page | claims |", "| --- | --- |"]
    for page in order:
        counted = _counted(claims[name] for name in page.claims)
        lines.append(f"| [`{page.topic}`]({page.topic}.py): {_cell(page.title)} | {counted} |")
    lines.append("")
    shown: set[str] = set()
    for page in order:
        lines += [f"## [{_cell(page.title)}]({page.topic}.py)", ""]
        for name in page.claims:
            if name in shown:
                lines += [f"`{name}`: stated above.", ""]
            else:
                lines += _claim(claims[name])
            shown.add(name)
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    """Writes specs/README.md."""
    README.write_text(write(all_claims(), pages()), encoding="utf-8")


if __name__ == "__main__":
    main()
