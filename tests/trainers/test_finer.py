"""The finer autoencoder begins as the one before it, and learns."""

from __future__ import annotations

import numpy as np
import torch
from diffusers import AutoencoderKL

from trainers import finer
from trainers.data import Pictures, paint_dataset


def _small():
    torch.manual_seed(0)
    return AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=12,
        norm_num_groups=4,
        mid_block_add_attention=False,
        use_quant_conv=False,
        use_post_quant_conv=False,
    ).eval()


def test_new_channels_begin_idle():
    narrow = _small()
    wide = finer.widen(narrow).eval()
    picture = torch.rand(1, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        before = narrow.encode(picture).latent_dist.mode()
        after = wide.encode(picture).latent_dist.mode()
        assert after.shape[1] == finer.CHANNELS
        torch.testing.assert_close(after[:, :12], before)
        torch.testing.assert_close(wide.decode(after).sample, narrow.decode(before).sample)


def test_it_learns_and_resumes(tmp_path):
    paint_dataset(tmp_path / "data", 12, 1, look=2, workers=1)
    data = Pictures(tmp_path / "data", 1)
    wide = finer.widen(_small())
    finer.train(data, wide, tmp_path / "finer", minutes=0.03, batch=2)
    saved = AutoencoderKL.from_pretrained(tmp_path / "finer" / "model")
    assert saved.config["latent_channels"] == finer.CHANNELS
    steps = torch.load(tmp_path / "finer" / "checkpoint.pt", weights_only=True)["step"]
    assert steps > 1
    finer.train(data, finer.widen(_small()), tmp_path / "finer", minutes=0.05, batch=2)
    assert torch.load(tmp_path / "finer" / "checkpoint.pt", weights_only=True)["step"] > steps


def test_a_data_set_is_painted_in_the_look_that_is_asked_for(tmp_path):
    """Looks 1 and 2 differ in fog, ink and sepia alone."""
    for look in (1, 2):
        paint_dataset(tmp_path / str(look), 24, 1, look=look, workers=1)
    first, second = (Pictures(tmp_path / str(look), 1) for look in (1, 2))
    apart = [np.abs(a.astype(int) - b).max() > 0 for a, b in zip(first.pixels, second.pixels, strict=True)]
    changed = [s.light == "fog" or s.style in ("ink", "sepia") for s in first.scenes]
    assert [c for a, c in zip(apart, changed, strict=True) if a] == [True] * sum(apart)
    assert any(apart)
