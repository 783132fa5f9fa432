"""From checkpoints to the package: the pipeline assembled, sampled, and written as fp16."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from pathlib import Path

import numpy as np
import torch
from diffusers import FluxPipeline
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from reward_models.encoders.precision import mixed
from steer.miniature.eye import load_eye
from steer.miniature.words import caption, vocabulary
from steer.miniature.world import ATTRIBUTES, scene_at
from trainers import generator
from trainers.text import T5_TOKENS

WEIGHTS = Path(__file__).parents[1] / "steer" / "miniature" / "weights"
FINER = Path(__file__).parent / "weights" / "finer"


def is_finer(work: Path) -> bool:
    """Whether there is a transformer for the latents of `finer`; it is then the one that counts."""
    return (work / "finer-generator" / "model").exists()


def autoencoder(work: Path, crisp: bool = True) -> Path:
    """The folder of the newest autoencoder under ``work``; without ``crisp`` the one before that step."""
    if is_finer(work):
        made = work / "finer" / "model"
        return made if made.exists() else FINER
    folders = [work / name / "model" for name in ("crisp", "decoder", "autoencoder")[0 if crisp else 1 :]]
    return next((f for f in folders if f.exists()), folders[-1])


def pipeline(work: Path, crisp: bool = True) -> FluxPipeline:
    """The newest parts under ``work`` as one pipeline; without ``crisp`` with the decoder before that step."""
    finer = "finer-" if is_finer(work) else ""
    latents = load_file(work / f"{finer}steady.safetensors")["latents"]
    made = work / f"{finer}generator" / "model"
    return generator.assemble(autoencoder(work, crisp), texts(work), made, generator.latent_statistics(latents))


def texts(work: Path) -> Path:
    """The text encoders under ``work``, or the shipped ones where none were trained."""
    return found if (found := work / "text").exists() else WEIGHTS / "pipeline"


@torch.inference_mode()
def sample_pipeline(
    pipe: FluxPipeline,
    n: int,
    steps: int,
    guidance: float,
    seed: int,
    path: Path,
    batch: int = 32,
    prompts: list[str] | None = None,
) -> None:
    """Save n pictures (n, 128, 128, 3) uint8 and prompts to ``path``; bf16 for speed."""
    rng = random.Random(seed)
    prompts = prompts or [caption(scene_at(seed, i), rng) for i in range(n)]
    pictures = []
    for start in range(0, n, batch):
        chunk = prompts[start : start + batch]
        with mixed():
            output = pipe(
                prompt=chunk,
                negative_prompt=[""] * len(chunk),
                true_cfg_scale=guidance,
                height=128,
                width=128,
                num_inference_steps=steps,
                max_sequence_length=T5_TOKENS,
                generator=torch.Generator().manual_seed(seed + start),
                output_type="np",
            )
        pictures.append(torch.from_numpy((output.images * 255).round().astype(np.uint8)))
        print(f"{start + len(chunk)}/{n}", flush=True)
    save_file({"pictures": torch.cat(pictures).contiguous()}, path, metadata={"prompts": json.dumps(prompts)})


def read_samples(path: Path) -> tuple[torch.Tensor, list[str]]:
    """What :func:`sample_pipeline` saved: pictures (n, 128, 128, 3) uint8 and their prompts."""
    with safe_open(path, framework="pt") as f:
        return f.get_tensor("pictures"), json.loads(f.metadata()["prompts"])


def sample_sheet(pipe: FluxPipeline, path: Path, steps: int, guidance: float) -> None:
    """40 fully captioned scenes of held-out combinations, ten a row, written to ``path``."""
    from PIL import Image

    rng = random.Random(0)
    prompts = [caption(scene_at(55, i, unseen=True), rng, full=True) for i in range(40)]
    saved = path.with_suffix(".safetensors")
    sample_pipeline(pipe, 40, steps, guidance, 1, saved, batch=20, prompts=prompts)
    pictures = read_samples(saved)[0].numpy()
    saved.unlink()
    Image.fromarray(pictures.reshape(4, 10, 128, 128, 3).swapaxes(1, 2).reshape(512, 1280, 3)).save(path)
    path.with_suffix(".txt").write_text("\n".join(prompts) + "\n", encoding="utf-8")


def labelled_samples(work: Path) -> tuple[torch.Tensor, list[str], torch.Tensor] | None:
    """The pipeline's own pictures with the attributes the first eye reads in them."""
    path = work / "sampled.safetensors"
    if not path.exists():
        return None
    from PIL import Image

    pictures, prompts = read_samples(path)
    images = [Image.fromarray(p.numpy()) for p in pictures]
    read = load_eye(work / "eye" / "model").read(images)
    labels = torch.stack([torch.from_numpy(read[name].argmax(1)) for name in ATTRIBUTES], dim=1)
    return pictures, prompts, labels


def ship(work: Path, target: Path = WEIGHTS) -> None:
    """Copy every trained part found under ``work`` into the package and list the hashes."""
    target.mkdir(parents=True, exist_ok=True)
    if (work / "generator" / "model").exists() or is_finer(work):
        pipeline(work).to(torch.float16).save_pretrained(target / "pipeline", safe_serialization=True)
        words = {"name": "the miniature", **vocabulary(with_extra=False)}
        (target / "pipeline" / "vocabulary.json").write_text(json.dumps(words, indent=1) + "\n", encoding="utf-8")
    for name in ("siglip", "eye", "judge", "reward", "people"):
        source = work / name / "model"
        if source.exists():
            shutil.rmtree(target / name, ignore_errors=True)
            shutil.copytree(source, target / name)
    # stored in half the bytes, but transformers would also load them as fp16 by default
    for config in target.glob("**/config.json"):
        if '"float16"' in (text := config.read_text(encoding="utf-8")):
            config.write_text(text.replace('"float16"', '"float32"'), encoding="utf-8")
    write_hashes(target)


def ship_held_out(work: Path, target: Path = WEIGHTS) -> None:
    """The encoder of the reward that only judges, and the reward once it is trained on the shipped encoder."""
    for source, name in ((work / "held-out" / "model", "encoder"), (work / "held-out" / "reward", "reward")):
        if not (source / "config.json").exists():
            continue
        folder = target / "held-out" / name
        folder.mkdir(parents=True, exist_ok=True)
        for file in ("config.json", "model.safetensors", "preprocessor_config.json"):
            if (source / file).exists():
                shutil.copy(source / file, folder / file)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if name == "reward":
            config["encoder"]["name"] = "../encoder"
        else:
            config["dtype"] = "float32"  # as above
        (folder / "config.json").write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    write_hashes(target)


def ship_linear_hidden(work: Path, target: Path = WEIGHTS) -> None:
    """The tiny vision-language model, and the reward once it is made of it."""
    folder = target / "linear-hidden"
    if (source := work / "vlm" / "model").exists():
        shutil.rmtree(folder / "vlm", ignore_errors=True)
        shutil.copytree(source, folder / "vlm")
        config = folder / "vlm" / "config.json"
        config.write_text(config.read_text(encoding="utf-8").replace('"float16"', '"float32"'), encoding="utf-8")
    if (source := work / "linear-hidden").exists():
        shutil.rmtree(folder / "reward", ignore_errors=True)
        shutil.copytree(source, folder / "reward")
        saved = json.loads((folder / "reward" / "config.json").read_text(encoding="utf-8"))
        saved |= {"vlm": "../vlm", "fidelity": "../../siglip"}
        (folder / "reward" / "config.json").write_text(
            json.dumps(saved, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    write_hashes(target)


def ship_with_llm(source: Path, llm: Path, folder: Path, parts: dict[str, str]) -> None:
    """A reward into ``folder``/reward and its language model into ``folder``/llm. ``parts``: other models it names, by
    key, as paths from the reward. Of the package's own weights it is told without the folder that the package was in.
    """
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(llm, folder / "llm")
    (folder / "reward").mkdir()
    shutil.copy(source / "model.safetensors", folder / "reward" / "model.safetensors")
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    config["llm"]["name"], config["fidelity"] = "../llm", "../../siglip"
    for key, name in parts.items():
        config[key]["name"] = name
    text = json.dumps(config, indent=1, ensure_ascii=False).replace(f"{WEIGHTS}", "steer/miniature/weights")
    (folder / "reward" / "config.json").write_text(text + "\n", encoding="utf-8")
    told = folder / "llm" / "config.json"
    told.write_text(told.read_text(encoding="utf-8").replace('"float16"', '"float32"'), encoding="utf-8")
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def write_hashes(target: Path) -> None:
    """``hashes.json``: sha256 of every weight file, checked when weights are loaded."""
    files = sorted(p for p in target.rglob("*.safetensors"))
    hashes = {str(p.relative_to(target)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
    (target / "hashes.json").write_text(json.dumps(hashes, indent=1) + "\n", encoding="utf-8")
