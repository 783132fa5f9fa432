"""Train the miniature: `all` is the whole chain, resumable; the others are its parts. `ship` writes fp16 weights into
the package.

The SigLIP is trained twice: before `sample`, and on with more --minutes after it, when generated pictures are there.
Checkpoints and curves (log.jsonl) are under --work; `sheet` draws samples of the generator as it is; docs/models has
the times.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import torch
import typer
from diffusers import AutoencoderKL, FluxPipeline
from safetensors.torch import load_file

from steer.errors import SteerError
from steer.miniature.painter import LOOK
from steer.miniature.world import WORLD
from trainers import autoencoder as autoencoders
from trainers import chain, eyes, finer, generator, ship, siglip, text
from trainers import crisp as crisps
from trainers.data import Pictures, paint_dataset

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, rich_markup_mode=None)
Work = Annotated[Path, typer.Option(help="Where checkpoints and data are kept.")]
Minutes = Annotated[float, typer.Option(help="Training time in all, resumed time counted.")]
Look = Annotated[int, typer.Option(help="Of the painter.")]
World = Annotated[int, typer.Option(help="Whose people rate.")]
HERE = Path("training")
SEED = 1  # of the painted dataset
STEADY = 32_000  # pictures the generator sees
DECODED = 6_000  # pictures also shown as the autoencoder gives them back


def _data(work: Path) -> Pictures:
    return Pictures(work / "data", SEED)


def _steady(work: Path) -> Pictures:
    return Pictures(work / "steady", SEED)


def _pipeline(work: Path) -> FluxPipeline:
    """The pipeline under ``work``, or the shipped one where none was trained."""
    if (work / "generator" / "model").exists():
        return ship.pipeline(work, crisp=False)
    return FluxPipeline.from_pretrained(ship.WEIGHTS / "pipeline")


@app.command("all")
def all_(
    world: World = WORLD,
    look: Look = LOOK,
    warm: Annotated[
        bool, typer.Option("--warm/--scratch", help="Begin with the text encoders and the transformer that ship.")
    ] = True,
    only: Annotated[list[str] | None, typer.Option(help="This step alone, finished or not; may be repeated.")] = None,
    start: Annotated[str | None, typer.Option("--from", help="This step and all after it, finished or not.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the steps and their minutes.")] = False,
    work: Work = HERE,
) -> None:
    """The whole chain; what is finished is skipped. `chain.json` under --work has the minutes of each step.

    Start it again after a kill, without --from and --only: it goes on in the step that was cut off. It replaces the
    shipped weights.
    """
    try:
        steps = chain.Plan(work, world, look, warm).steps()
        if dry_run:
            print(chain.table(chain.chosen(steps, only or [], start), work))
        else:
            chain.run(steps, work, only or [], start)
    except (chain.ChainError, SteerError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error


@app.command()
def paint(n: int = 56_000, look: Look = LOOK, steady: bool = True, work: Work = HERE) -> None:
    """Paint the training pictures (n, 128, 128, 3), and the generator's with steady subjects."""
    paint_dataset(work / "data", n, SEED, look=look)
    if steady:
        paint_dataset(work / "steady", min(n, STEADY), SEED, steady=True, look=look)


@app.command("text")
def text_encoders(steps: int = 900, work: Work = HERE) -> None:
    """Tokenizers, CLIP and T5."""
    text.train(work / "text", steps)


@app.command()
def autoencoder(minutes: Minutes = 15, work: Work = HERE) -> None:
    """Encoder and decoder on crops, then the latents of all pictures."""
    autoencoders.train(_data(work), work / "autoencoder", minutes)


@app.command()
def latents(work: Work = HERE) -> None:
    """Cache the latents of the generator's pictures, and of the first ones for `decoded`."""
    encoder = work / "autoencoder" / "model"
    autoencoders.encode(_data(work), encoder, work / "latents.safetensors", DECODED)
    autoencoders.encode(_steady(work), encoder, work / "steady.safetensors", STEADY)


@app.command()
def decoder(minutes: Minutes = 15, work: Work = HERE) -> None:
    """The decoder alone, on from there."""
    start = work / "autoencoder" / "model"
    autoencoders.train(_data(work), work / "decoder", minutes, start, lr=6e-4)


@app.command("generator")
def flux(
    minutes: Minutes = 60,
    batch: int = 32,
    lr: float = 1e-3,
    compile: bool = False,
    muon: bool = True,
    start: Annotated[Path | None, typer.Option(help="A transformer folder to begin with.")] = None,
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 1,
    name: Annotated[str, typer.Option(help="Folder under --work.")] = "generator",
    finer: Annotated[bool, typer.Option(help="For the latents of `finer`.")] = False,
    work: Work = HERE,
) -> None:
    """The FLUX transformer. ``--start`` may have other latents; its first and last layers are then new."""
    torch.set_num_threads(threads)
    data = Pictures(work / "finer-steady", SEED) if finer else _steady(work)
    cached = load_file(work / f"{'finer-' if finer else ''}steady.safetensors")["latents"]
    texts = generator.Texts(ship.texts(work))
    generator.train(data, cached, texts, work / name, minutes, batch, lr, compile=compile, start=start, muon=muon)


@app.command()
def pairs(n: int = 16_000, look: int = 2, work: Work = HERE) -> None:
    """Latents as the encoder and the transformer make them, each with the painting that `crisp` shall make of it."""
    crisps.write_pairs(_pipeline(work), work / "pairs", n, SEED, look)


@app.command()
def crisp(
    minutes: Minutes = 120,
    adversarial_after: Annotated[int, typer.Option(help="Step from which a critic of patches has a say.")] = 4000,
    lr: float = 8e-4,
    start: Annotated[Path | None, typer.Option(help="A folder that an earlier `crisp` wrote, to begin with.")] = None,
    work: Work = HERE,
) -> None:
    """A deeper decoder for the same latents, on from the one that the pipeline has. `pairs` may be grown meanwhile."""
    vae = AutoencoderKL.from_pretrained(start) if start else crisps.deepen(_pipeline(work).vae)
    crisps.train(crisps.Pairs(work / "pairs", SEED), vae, work / "crisp", minutes, adversarial_after, lr=lr)


@app.command("finer")
def finer_(
    minutes: Minutes = 300,
    n: int = 24_000,
    lr: float = 8e-4,
    start: Annotated[Path, typer.Option(help="A folder that `crisp` or `finer` wrote, to begin with.")] = Path(
        "trainers/weights/crisp"
    ),
    work: Work = HERE,
) -> None:
    """A new autoencoder with 24 latent channels for look 2 of the painter; the transformer must follow."""
    paint_dataset(work / "finer-data", n, SEED, look=2)
    vae = AutoencoderKL.from_pretrained(start)
    wide = vae if vae.config["latent_channels"] == finer.CHANNELS else finer.widen(vae)
    finer.train(Pictures(work / "finer-data", SEED), wide, work / "finer", minutes, lr=lr)


@app.command("finer-latents")
def finer_latents(n: int = STEADY, work: Work = HERE) -> None:
    """Cache the latents of steady pictures in look 2 by the autoencoder of `finer`, for `generator --finer`."""
    paint_dataset(work / "finer-steady", n, SEED, steady=True, look=2)
    made = work / "finer" / "model"
    encoder = made if made.exists() else Path("trainers/weights/finer")
    autoencoders.encode(Pictures(work / "finer-steady", SEED), encoder, work / "finer-steady.safetensors", n)
    if (work / "data").exists():  # for `decoded`
        autoencoders.encode(_data(work), encoder, work / "finer-latents.safetensors", DECODED)


@app.command()
def decoded(n: int = DECODED, work: Work = HERE) -> None:
    """The first n pictures as the autoencoder gives them back, for the eyes and the SigLIP."""
    latents = work / ("finer-latents.safetensors" if ship.is_finer(work) else "latents.safetensors")
    autoencoders.decode_dataset(latents, ship.autoencoder(work), n, work / "decoded.safetensors")


@app.command()
def sample(n: int = 3000, steps: int = 6, guidance: float = 3.0, seed: int = 77, work: Work = HERE) -> None:
    """Pictures by the pipeline itself with their prompts, for the SigLIP and the people."""
    ship.sample_pipeline(ship.pipeline(work), n, steps, guidance, seed, work / "sampled.safetensors")


@app.command()
def sheet(path: Path = Path("training/sheet.png"), steps: int = 6, guidance: float = 3.0, work: Work = HERE) -> None:
    """A sheet of 40 held-out prompts by the pipeline as it is now."""
    ship.sample_sheet(ship.pipeline(work), path, steps, guidance)


@app.command()
def eye(name: str = "eye", minutes: Minutes = 10, work: Work = HERE) -> None:
    """The eye that looks for the simulated people, or with --name judge the one that judges."""
    path = work / "decoded.safetensors"
    copies = load_file(path)["pictures"] if path.exists() else None
    eyes.train(name, _data(work), work / name, minutes, copies)


@app.command("siglip")
def siglip_(minutes: Minutes = 12, compile: bool = False, work: Work = HERE) -> None:
    """The SigLIP, with generated pictures where ``sample`` has made them."""
    siglip.train(_data(work), work / "siglip", minutes, ship.labelled_samples(work), compile=compile)


@app.command()
def dataset(world: World = WORLD, look: Look = LOOK, work: Work = HERE) -> None:
    """The pictures and ratings of `steer data miniature`, in any look; with the shipped parts, so after `ship`."""
    from trainers import people as module

    module.write(work, world, look)


@app.command()
def people(world: World = WORLD, look: Look = LOOK, work: Work = HERE) -> None:
    """Ratings by simulated people, the PAMELA predictor on them, and its table; with the shipped parts, so after
    `ship`."""
    from trainers import people as module

    module.train(work, world, look)


@app.command()
def reward(
    recipe: Annotated[str, typer.Argument(help="held-out or linear-hidden, in configs/train.")], work: Work = HERE
) -> None:
    """`steer reward train` by a shipped recipe, on the data set under --work; then `ship`."""
    from trainers.rewards import train

    train(recipe, work)


@app.command()
def questions(dataset: Path = Path("training/pamela"), n: int = 60) -> None:
    """The pictures that people rate to teach their taste, of the data set that `steer data miniature` wrote."""
    from trainers.questions import write_questions

    write_questions(dataset, ship.WEIGHTS / "questions", n)
    ship.write_hashes(ship.WEIGHTS)


@app.command("held-out")
def held_out(
    minutes: Minutes = 10,
    dataset: Path = Path("training/pamela"),
    n: int = 16_000,
    look: Look = LOOK,
    work: Work = HERE,
) -> None:
    """The encoder of the reward that judges studies; then `reward held-out`."""
    from trainers import held_out as module

    paint_dataset(work / "held-out-data", n, module.SEED, look=look)
    module.train(Pictures(work / "held-out-data", module.SEED), dataset, work / "held-out", minutes)
    ship.ship_held_out(work)


@app.command()
def vlm(
    minutes: Minutes = 10,
    dataset: Path = Path("training/pamela"),
    n: int = 16_000,
    look: Look = LOOK,
    work: Work = HERE,
) -> None:
    """The tiny Qwen3-VL of Linear-Hidden; then `reward linear-hidden`."""
    from trainers import held_out as seeds
    from trainers import vlm as module

    paint_dataset(work / "held-out-data", n, seeds.SEED, look=look)
    module.train(Pictures(work / "held-out-data", seeds.SEED), dataset, work / "vlm", minutes)
    module.write_attributes(dataset)
    ship.ship_linear_hidden(work)


@app.command("profile-mllm")
def profile_mllm(
    arm: Annotated[
        str, typer.Option(help="Who teaches: many (u201 ... u1200) or few (PAMELA's training people).")
    ] = "many",
    text_minutes: Annotated[float, typer.Option(help="Training of the small Llama by words alone.")] = 12,
    width: int = 192,
    layers: int = 6,
    steps: Annotated[float, typer.Option(help="Times the steps of the recipe, for the fusion.")] = 1.0,
    people: Annotated[int, typer.Option(help="Size of the crowd.")] = 1000,
    start: Annotated[
        Path | None, typer.Option(help="A small Llama to begin with: trainers/weights/profile-text knows `many`.")
    ] = None,
    world: World = WORLD,
    send: Annotated[bool, typer.Option("--ship", help="Write the result into the package.")] = False,
    dataset: Path = Path("training/pamela"),
    work: Work = HERE,
) -> None:
    """P-MLLM: the crowd's ratings, a small Llama, the fusion; with the shipped SigLIP, so after `ship`."""
    from trainers import profile_mllm as module

    if arm not in module.ARMS:
        raise typer.BadParameter(f"'{arm}' is none of {', '.join(module.ARMS)}")
    module.train(arm, work, dataset, text_minutes, width, layers, steps, people, world, start)
    if send:
        module.ship_arm(arm, work)


@app.command("profile-vlm")
def profile_vlm(minutes: Minutes = 10, source: Path = Path("training/crowd"), work: Work = HERE) -> None:
    """The tiny Qwen3-VL, taught P-MLLM's questions: its control, and what `prompted` may ask; after `profile-mllm`."""
    from trainers import profile_vlm as module

    print(module.train(source, work / "profile-vlm", minutes))


@app.command()
def calm(
    steps: Annotated[float, typer.Option(help="Times the steps of the recipe.")] = 1.0,
    scenes: Annotated[int, typer.Option(help="Painted pictures that it learns from.")] = 1500,
    start: Annotated[Path, typer.Option(help="A small Llama that knows the world's words.")] = Path(
        "trainers/weights/profile-text"
    ),
    reader: Annotated[
        Path | None,
        typer.Option(help="A small Llama that reads already, as trainers/weights/calm-words."),
    ] = None,
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 2,
    world: World = WORLD,
    send: Annotated[bool, typer.Option("--ship", help="Write the result into the package.")] = False,
    dataset: Path = Path("training/pamela"),
    work: Work = HERE,
) -> None:
    """CALM: painted pictures and what is said of them, and the cycle on them; with the shipped SigLIP, so after
    `ship`. A killed call goes on where it stopped."""
    from trainers import calm as module

    torch.set_num_threads(threads)
    module.train(work, dataset, steps, scenes, world, start, reader)
    if send:
        module.ship_calm(work)


@app.command("ship")
def ship_(work: Work = HERE) -> None:
    """Write the trained parts as fp16 safetensors into the package."""
    ship.ship(work)
    ship.ship_held_out(work)
    ship.ship_linear_hidden(work)


if __name__ == "__main__":
    app()
