"""Linear-Hidden as a family: features and ridges from YAML, with the paper's protocol as its report."""

from __future__ import annotations

from pathlib import Path

from reward_models.families import Family, Work
from reward_models.protocols import RewardModel


def _load(folder: Path, device: str = "cpu") -> RewardModel:
    from reward_models.linear_hidden.reward import LinearHiddenReward

    return LinearHiddenReward.from_folder(folder, device)


def _train(config: Path, work: Work) -> Path:
    """Features and ridges: no gradient."""
    from reward_models.linear_hidden.fit import fit_linear_hidden
    from reward_models.linear_hidden.settings import load_settings

    settings = load_settings(config)
    reward, ratings = fit_linear_hidden(settings, work.pick_device(settings.device), work.progress)
    about: dict[str, object] = {"data": ratings.fingerprint(), "settings": settings.model_dump()}
    if reward.layer_errors:
        about["layers"] = reward.layer_errors
        errors = ", ".join(f"{p} {e:.4f}" for p, e in reward.layer_errors.items())
        work.say(f"leave-one-out error: {errors}")
    out = Path(settings.out)
    reward.save(out, about)
    pools = ", ".join(map(str, reward.encoder.pools))
    work.say(f"{len(reward.people())} people, {len(reward.known.pictures)} pictures, {pools}")
    return out


def _evaluate(config: Path, model: Path | None, out: Path | None, work: Work) -> None:  # noqa: ARG001
    """The paper's protocol on the data set of a config, which also says how many people, layers and pairs."""
    from reward_models.linear_hidden import evaluation, fit
    from reward_models.linear_hidden.given import extras_of
    from reward_models.linear_hidden.new_people import two_questions
    from reward_models.linear_hidden.settings import load_settings
    from reward_models.two_questions import as_markdown

    settings = load_settings(config)
    protocol = settings.evaluation
    layers = "V LV LT" if protocol.layers or protocol.pairs else ""
    device = work.pick_device(settings.device)
    encoder = fit.encoder_of(settings, device)
    pools, rows, ratings = fit.all_pools(settings, device, layers, work.progress, encoder)
    extras = extras_of(settings, encoder, pools, rows, ratings, work.progress)
    attributes = fit.attribute_values(Path(settings.attributes), rows) if settings.attributes else None
    target = out or Path(settings.out)
    evaluation.evaluate(
        pools, rows, ratings.table, target, protocol.people, settings.alphas, attributes, protocol.pairs, extras
    )
    work.say((target / "linear_hidden.md").read_text(encoding="utf-8"))
    pool = settings.pools[0] if settings.pools[0] in pools else next(iter(pools))
    table = ratings.table[ratings.table["picture"].isin(list(rows))]
    if (told := two_questions(table, pools[pool], rows)) is not None:
        text = f"# New people, {pool}\n{as_markdown(told, ' of `hierarchical`')}"
        (target / "new_people.md").write_text(text, encoding="utf-8")
        work.say(text)


FAMILY = Family("linear-hidden", _load, _train, _evaluate)
