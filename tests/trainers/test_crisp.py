"""The trainer of a deeper decoder: it begins as the decoder it starts from, learns, and resumes."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, FluxPipeline
from safetensors.torch import save_file

from steer.miniature.painter import paint
from steer.miniature.world import scene_at
from steer.resources import miniature_weights
from trainers import ship
from trainers.crisp import Pairs, deepen, picture_loss, subject_weights, train, write_pairs
from trainers.data import to_tensor


def paint_array(i, **how):
    return np.asarray(paint(scene_at(1, i), **how))[None]


@pytest.fixture(scope="module")
def pipeline():
    return FluxPipeline.from_pretrained(miniature_weights("pipeline"))


@pytest.fixture(scope="module")
def pairs(pipeline, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    write_pairs(pipeline, folder, 8, seed=1, look=2)
    return Pairs(folder, seed=1)


@torch.no_grad()
def test_a_deeper_autoencoder_begins_as_the_same_function(pipeline):
    deeper = deepen(pipeline.vae)
    assert sum(p.numel() for p in deeper.decoder.parameters()) > sum(
        p.numel() for p in pipeline.vae.decoder.parameters()
    )
    picture = to_tensor(paint_array(3))
    latents = pipeline.vae.encode(picture).latent_dist.mode()
    assert torch.allclose(deeper.encode(picture).latent_dist.mode(), latents, atol=1e-5)
    assert torch.allclose(deeper.decode(latents).sample, pipeline.vae.decode(latents).sample, atol=1e-5)


def test_pairs_hold_old_latents_and_the_new_look(pipeline, pairs):
    latents, targets, weights = next(pairs.batches(8, random.Random(0)))
    assert latents.shape == (8, 12, 16, 16)
    assert weights.shape == (8, 1, 128, 128)
    painted = [to_tensor(paint_array(i, steady=i % 2 == 0, look=2)) for i in range(8)]
    assert all(any(torch.equal(target, p[0]) for p in painted) for target in targets)


def test_the_loss_is_none_for_the_target_and_counts_the_subject_most():
    scene = scene_at(1, 0).with_(framing="medium", position="left")
    weights = subject_weights(scene)[None]
    assert float(weights.mean()) == pytest.approx(1)
    target = torch.zeros(1, 3, 128, 128)
    assert float(picture_loss(target, target, weights)) == 0
    spot = {}
    for name, x in (("subject", 34), ("elsewhere", 118)):
        output = target.clone()
        output[..., 80:88, x : x + 8] = 1
        spot[name] = float(picture_loss(output, target, weights))
    assert spot["subject"] > 2 * spot["elsewhere"]


def test_the_decoder_learns_from_pairs_against_the_critic_and_resumes(pipeline, pairs, tmp_path, capsys):
    before = {k: v.clone() for k, v in pipeline.vae.encoder.state_dict().items()}
    for minutes in (1e-4, 1e-2):
        train(pairs, deepen(pipeline.vae), tmp_path, minutes, adversarial_after=0, batch=2)
    assert "resumed at step 1" in capsys.readouterr().out
    trained = AutoencoderKL.from_pretrained(tmp_path / "model").float()
    for name, value in before.items():
        assert torch.equal(value, trained.encoder.state_dict()[name]), name
    assert not torch.equal(trained.decoder.conv_out.weight, pipeline.vae.decoder.conv_out.weight)
    assert trained.config.scaling_factor == pipeline.vae.config.scaling_factor
    FluxPipeline.from_pretrained(miniature_weights("pipeline"), vae=trained)


def test_shipping_takes_the_deeper_decoder_and_its_training_the_one_before(pipeline, tmp_path):
    for part in ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2"):
        getattr(pipeline, part).save_pretrained(tmp_path / "text" / part)
    pipeline.transformer.save_pretrained(tmp_path / "generator" / "model")
    pipeline.vae.save_pretrained(tmp_path / "decoder" / "model")
    deepen(pipeline.vae).save_pretrained(tmp_path / "crisp" / "model")
    save_file({"latents": torch.randn(8, 12, 16, 16)}, tmp_path / "steady.safetensors")
    assert ship.pipeline(tmp_path).vae.config.layers_per_block == 2
    assert ship.pipeline(tmp_path, crisp=False).vae.config.layers_per_block == 1
