"""The simulated people of both worlds: who they are, and what makes those of world 2 hard to please."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import replace

import numpy as np
import pytest

from steer.errors import UsageError
from steer.miniature.raters import WORLDS, simulated_people
from steer.miniature.world import ATTRIBUTES, GROUP_OF, GROUPS

SIZES = {a: len(v) for a, v in ATTRIBUTES.items()}


def read(**values):
    """Pictures as an eye that is never wrong reads them; each value is a name, or a list of them."""
    every = [ATTRIBUTES[a] if values.get(a) is None else np.atleast_1d(values[a]) for a in ATTRIBUTES]
    rows = list(itertools.product(*every))
    return {a: np.eye(SIZES[a])[[ATTRIBUTES[a].index(row[k]) for row in rows]] for k, a in enumerate(ATTRIBUTES)}


FOXES = {"subject": "fox", "place": "sea", "position": "left"}


def test_the_people_of_the_first_world_are_those_of_all_earlier_figures():
    digest = hashlib.sha256()
    for person in simulated_people(world=1).values():
        scale = np.array([person.bias, person.spread])
        for part in (*person.main.values(), *person.pairs.values(), scale):
            digest.update((np.round(part, 6) + 0.0).tobytes())  # the last digits are the processor's; no -0
        digest.update(repr(person.demographics).encode())
        assert not person.triples
        assert not person.moods
        assert not person.vetoes
    assert digest.hexdigest() == "127b15728b628a5b61395bdc6a332712f43de084fd17f1c7a5e5652fd381fa6b"
    liking = simulated_people(world=1)["u17"].satisfaction(read(**FOXES))
    assert liking.sum() == pytest.approx(40.35049666943451, abs=1e-10)


@pytest.mark.parametrize("world", WORLDS)
def test_more_people_leave_the_first_ones_as_they_are(world):
    few, many = simulated_people(12, world=world), simulated_people(40, world=world)
    assert list(few) == list(many)[:12]
    for name, person in few.items():
        assert np.array_equal(person.satisfaction(read(**FOXES)), many[name].satisfaction(read(**FOXES)))
        assert np.array_equal(person.traits, many[name].traits)


@pytest.mark.parametrize("world", WORLDS)
def test_traits_are_about_normal_and_tell_of_a_taste(world):
    people = list(simulated_people(world=world).values())
    traits = np.stack([p.traits for p in people])
    assert 0.7 < traits.std() < 1.3
    styles = np.stack([p.main["style"] for p in people])
    left = styles - traits @ np.linalg.lstsq(traits, styles, rcond=None)[0]
    assert left.var() < 0.75 * styles.var()


def test_a_world_that_there_is_not():
    with pytest.raises(UsageError, match="no world 3 of simulated people; there are 1, 2"):
        simulated_people(world=3)


def test_the_second_worlds_tastes_depend_on_the_kind_of_subject():
    """Which light is best changes with the subject for most people, and by its group alone."""
    changed = 0
    for person in simulated_people(world=2).values():
        table = person.pairs[("subject", "light")]
        of = {
            group: table[[i for i, s in enumerate(ATTRIBUTES["subject"]) if GROUP_OF[s] == group]] for group in GROUPS
        }
        assert all(np.ptp(rows, axis=0).max() < 1e-12 for rows in of.values())
        changed += of["animal"][0].argmax() != of["architecture"][0].argmax()
    assert changed > 120


def test_a_veto_spoils_a_picture_whatever_else_it_shows():
    people = simulated_people(world=2)
    vetoed = {n: p for n, p in people.items() if p.vetoes}
    assert 0.5 < len(vetoed) / len(people) < 0.8
    for person in vetoed.values():
        without, pictures = replace(person, vetoes=()), read(**FOXES)
        for veto in person.vetoes:
            alone = replace(person, vetoes=(veto,))
            shown = pictures[veto.attribute][:, veto.index] == 1
            liking, before = alone.satisfaction(pictures), without.satisfaction(pictures)
            assert np.allclose(liking[shown], (1 - veto.strength) * before[shown])
            assert np.array_equal(liking[~shown], before[~shown])


def test_a_person_with_two_moods_likes_either_look_and_not_their_mean():
    moody = [p for p in simulated_people(world=2).values() if p.moods]
    assert 10 < len(moody) < 40
    for person in moody:
        alone = replace(person, main={}, pairs={}, triples={}, vetoes=(), bias=0.0, spread=1.0)
        one, two = ({a: ATTRIBUTES[a][int(v.argmax())] for a, v in look.items()} for look in person.moods)
        both = [alone.satisfaction(read(**FOXES, **look))[0] for look in (one, two)]
        mixed = alone.satisfaction(read(**FOXES, **{**one, "light": two["light"]}))[0]
        looks = [read(**FOXES, **look) for look in (one, two)]
        half = {a: (looks[0][a] + looks[1][a]) / 2 for a in ATTRIBUTES}
        assert both[0] == pytest.approx(both[1])
        assert mixed < both[0] - 0.1
        assert alone.satisfaction(half)[0] < both[0] - 0.3


def test_a_few_people_of_the_second_world_like_nearly_what_everybody_likes():
    people = simulated_people(world=2).values()
    pictures = read(subject=["fox", "castle"], place=["sea", "city"], position="left")
    liking = np.stack([p.satisfaction(pictures) for p in people])
    others = (liking.sum(0) - liking) / (len(liking) - 1)
    agreement = np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(liking, others, strict=True)])
    assert 0.03 < (agreement > 0.7).mean() < 0.3
    assert 0.2 < np.median(agreement) < 0.6


def test_the_second_world_needs_more_than_main_effects():
    """A sum over single values explains most of a taste of world 1, and about half of one of world 2."""
    rng = np.random.default_rng(0)
    pictures = {a: np.eye(k)[rng.integers(k, size=1500)] for a, k in SIZES.items()}
    design = np.concatenate([*pictures.values(), np.ones((1500, 1))], axis=1)
    explained = {}
    for world in WORLDS:
        shares = []
        for person in list(simulated_people(world=world).values())[:20]:
            liking = person.satisfaction(pictures)
            left = liking - design @ np.linalg.lstsq(design, liking, rcond=None)[0]
            shares.append(1 - left.var() / liking.var())
        explained[world] = np.mean(shares)
    assert explained[1] > 0.8
    assert explained[2] < 0.6
