"""What a rebuild of the code must not change: scores, fingerprints, journals and a study of the shipped miniature.

``python -m tests.net.facts`` writes ``facts.json`` anew; do that only when a change of results is meant, and say so in
the commit.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

from reward_models import Person
from steer import Steerer
from steer.config import load_config
from steer.miniature.painter import paint
from steer.miniature.words import read_prompt
from steer.miniature.world import complete_scene

FAMILIES = {"pamela": [], "linear-hidden": ["reward=miniature/linear-hidden"]}
PROMPTS = (
    "a fox in the snow",
    "a castle at night",
    "a lighthouse by the sea",
    "a teapot in a room, watercolor",
    "a boat in fog",
)
PEOPLE = (
    Person(),
    Person("u17"),
    Person("u42"),
    Person("u180"),
    Person(demographics={"age_binned": "30-39", "gender": "female"}),
)
STUDY = {
    "name": "net",
    "config": "miniature",
    "settings": ["search.patience=99", "search.worth=0", "renderer=painter"],
    "users": ["u1", "u17", "u42"],
    "prompts": ["a fox"],
    "budget": 6,
    "looks": 2,
    "conditions": {
        "unoptimised": {"kind": "prompt"},
        "other": {"kind": "other"},
        "own": {},
        "linear-hidden": {"settings": ["reward=miniature/linear-hidden"]},
    },
    "judges": {
        "the person": {"kind": "simulated"},
        "held-out reward": {"kind": "reward", "model": "miniature/held-out"},
    },
    "fidelity": {"kind": "eye"},
}


def pictures() -> list[Any]:
    """A painted picture of each prompt."""
    return [paint(complete_scene(read_prompt(p), random.Random(i))) for i, p in enumerate(PROMPTS)]


def scores(settings: list[str]) -> list[dict[str, list[float]]]:
    """Every person's scores of the pictures."""
    model = Steerer(load_config("miniature", settings)).parts.reward
    names = ("personal", "population", "fidelity", "uncertainty")
    known = [p for p in PEOPLE if p.id is None or p.id in model.people()]
    each = [model.score(pictures(), PROMPTS, person) for person in known]
    return [{n: [float(v) for v in getattr(s, n)] for n in names} for s in each]


def fingerprints() -> dict[str, str]:
    """Of every reward that ships, and of the built-in proposer."""
    found = {name: Steerer(load_config("miniature", s)).parts.reward.fingerprint() for name, s in FAMILIES.items()}
    held_out = Steerer(load_config("miniature", ["search.held_out=miniature/held-out"])).parts.held_out
    assert held_out is not None
    return {**found, "held out": held_out.fingerprint(), "lexical": Steerer("miniature").parts.proposer.fingerprint()}


def journal(settings: list[str], user: str, folder: Path) -> list[dict[str, Any]]:
    """The candidates of a short run, as its journal keeps them; ``me`` has rated, chosen, said and told."""
    from steer.users.store import UserStore

    with tempfile.TemporaryDirectory() as place:
        store = UserStore(Path(place) / "users.db")
        _taught(store, settings)
        steerer = Steerer(load_config("miniature", ["renderer=painter", *settings]), store=store)
        result = steerer.run("a fox in the snow", user, budget=14, out=folder / "run")
        store.close()
    return [c.facts() for c in result.candidates]


def _taught(store: Any, settings: list[str]) -> None:
    from steer.users.pictures import shipped_pictures

    store.add("me", {"gender": "female"}, "warm light, no neon")
    shown = shipped_pictures()
    for i, question in enumerate(shown[:12]):
        store.rate("me", question.hash, 1 + (i * 7) % 5, question.prompt, "miniature")
    store.choose("me", shown[12].hash, shown[13].hash, (shown[12].prompt, shown[13].prompt), "miniature")
    # learned once, so that the store holds what is kept of the pictures; then one answer is corrected
    Steerer(load_config("miniature", ["renderer=painter", *settings]), store=store).request("a fox", "me")
    store.rate("me", shown[0].hash, 4, shown[0].prompt, "miniature")


def study(folder: Path) -> dict[str, Any]:
    """The findings of a small study: both families steer."""
    from steer.study.folder import StudyFolder
    from steer.study.plan import parse_study
    from steer.study.report import write_study
    from steer.study.running import StudyRun

    found = StudyFolder.begin(folder / "study", parse_study(STUDY, "net"))
    StudyRun(found).run()
    return json.loads(json.dumps(write_study(found)))  # type: ignore[no-any-return]


def facts(folder: Path) -> dict[str, Any]:
    """All of it."""
    return {
        "scores": {name: scores(s) for name, s in FAMILIES.items()},
        "fingerprints": fingerprints(),
        "journals": {
            f"{name}: {user}": journal(s, user, folder / name / str(i))
            for name, s in FAMILIES.items()
            for i, user in enumerate(("u17", "me", "u17,u42,!u3"))
        },
        "study": study(folder),
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        found = facts(Path(place))
    target = Path(__file__).parent / "facts.json"
    target.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    print(f"written to {target}", file=sys.stderr)


if __name__ == "__main__":
    main()
