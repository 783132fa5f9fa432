"""Writes descriptions of a data set's pictures with any vision-language model of transformers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from reward_models.base import RewardError
from reward_models.doors import parse_json, read_text
from reward_models.encoders.vlm import Vlm
from reward_models.pictures import FAULTS, read_picture

# what a picture's description is asked for with, here and when a model learns to describe
DESCRIBE = "Describe the content, composition, colour, light and depth of field of this picture in one paragraph."
FILE = "descriptions.jsonl"
MOST_TOKENS = 200


def write_descriptions(
    vlm: Vlm,
    root: Path,
    pictures: Sequence[str],
    target: Path,
    size: int = 448,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """A line of JSON for each picture below ``root`` in ``target``: ``picture`` and ``text``. A killed call goes on
    after the last whole line. Returns how many pictures were left out because they do not open.

    Raises RewardError for a model that sees nothing.
    """
    if not vlm.sees:
        raise RewardError(f"'{vlm.name}' is a {type(vlm.model).__name__}, which reads no pictures")
    done, left_out = _done(target), 0
    missing = [p for p in pictures if p not in done]
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("a", encoding="utf-8") as file:
        for number, name in enumerate(missing, 1):
            try:
                image = read_picture(root / name)
            except FAULTS:
                left_out += 1
                continue
            image.thumbnail((size, size))
            text = vlm.run(lambda image=image: _described(vlm, image))  # type: ignore[misc]
            file.write(json.dumps({"picture": name, "text": text}, ensure_ascii=False) + "\n")
            file.flush()
            if progress:
                progress(number, len(missing))
    return left_out


def _described(vlm: Vlm, image: object) -> str:
    """One description, greedy."""
    return answer(vlm, [{"type": "image", "image": image}, {"type": "text", "text": DESCRIBE}], MOST_TOKENS)


@torch.inference_mode()
def answer(vlm: Vlm, content: Sequence[dict[str, object]], most_tokens: int) -> str:
    """What a model writes greedily after one turn of pictures and texts, on one line; call it in ``vlm.run``."""
    turn = [{"role": "user", "content": list(content)}]
    inputs = vlm.processor.apply_chat_template(
        turn, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    ).to(vlm.device)
    pad = vlm.tokenizer.pad_token_id
    whole = vlm.model.generate(
        **inputs,
        do_sample=False,
        max_new_tokens=most_tokens,
        pad_token_id=vlm.tokenizer.eos_token_id if pad is None else pad,
    )
    said: str = vlm.tokenizer.decode(whole[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return " ".join(said.split())


def _done(target: Path) -> set[str]:
    """Pictures that have a line; a torn last line is cut off."""
    if not target.exists():
        return set()
    found, kept = set(), []
    for line in read_text(target).splitlines():
        try:
            found.add(str(parse_json(line)["picture"]))
            kept.append(line)
        except (ValueError, KeyError, TypeError):
            continue
    target.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    return found
