"""Whatever comes in by the door of exports, ids and profiles: refused in one line, or kept and given back the same."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steer.errors import UsageError
from steer.users.exchange import export_user, import_user, write_export
from steer.users.ids import check_id
from steer.users.limits import PROFILE, check_text
from steer.users.store import UserStore

QUICK = settings(max_examples=40, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
LONG = settings(max_examples=5000, deadline=None, suppress_health_check=list(HealthCheck))
TEXTS = st.text(alphabet=st.characters(), max_size=50)  # surrogates and control characters too
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)
HASHES = st.sampled_from([f"{i:064x}" for i in range(6)]) | TEXTS
PICTURES = st.sampled_from(["AAAA", "AA", "!", ""])
SCORES = st.floats(1, 5) | st.floats() | st.integers(0, 6) | JSON
RATINGS = st.fixed_dictionaries(
    {"picture": HASHES, "score": SCORES, "at": TEXTS | JSON}, optional={"prompt": TEXTS | JSON}
)
FILES = st.fixed_dictionaries(
    {
        "steer_user": st.sampled_from([1, 1, 1, 2, "1", None]),
        "id": st.sampled_from(["evil", "Evil", "victim", "VICTIM", "u17", "../x"]) | TEXTS,
        "demographics": st.dictionaries(TEXTS, TEXTS, max_size=3) | JSON,
        "profile": TEXTS | JSON,
        "ratings": st.lists(RATINGS, max_size=4),
        "choices": st.lists(st.fixed_dictionaries({"better": HASHES, "worse": HASHES, "at": TEXTS}), max_size=3),
    },
    optional={
        "source": TEXTS,
        "prompts": st.dictionaries(HASHES, TEXTS, max_size=3),
        "features": st.dictionaries(
            TEXTS, st.dictionaries(HASHES, st.sampled_from(["AAAA", "AA", "!", ""])), max_size=2
        ),
        "thumbnails": st.dictionaries(HASHES, TEXTS, max_size=2),
        "more": JSON,
    },
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A victim who rated the pictures that the files speak of."""
    store = UserStore(tmp_path_factory.mktemp("properties") / "users.db")
    store.add("victim", {"age": "30-39"}, "warm light")
    store.rate_many("victim", [(f"{i:064x}", "a fox", 1 + i % 5) for i in range(6)])
    store.choose("victim", f"{0:064x}", f"{1:064x}")
    store.keep_features("encoder", {f"{i:064x}": bytes([i, i]) for i in range(3)})
    store.keep_own_features("victim", "encoder", {f"{i:064x}": bytes([i, i]) for i in range(3, 6)})
    return store


def victim(store):
    hashes = [f"{i:064x}" for i in range(6)]
    return store.told("victim"), store.features("encoder", hashes), store.own_features("victim", "encoder", hashes)


def refusal(change):
    """Why something is refused, in one line; "" where it is not."""
    try:
        change()
    except UsageError as error:
        return str(error)
    return ""


def any_file(store, path, content):
    """An import never moves the victim, and whom it brings can be given back and deleted without a rest."""
    path.write_bytes(content)
    before, brought = victim(store), []
    said = refusal(lambda: brought.append(import_user(store, path, trained=["u17"]).id))
    assert said.isprintable()
    assert len(said) < 600
    assert len(store.ids()) == 2 - bool(said)
    for user in brought:
        assert user.lower() not in ("victim", "u17")
        once, told = path.with_name("once.json"), store.told(user)
        write_export(export_user(store, user, ["encoder"], with_pictures=True), once)
        assert all(1 <= r.score <= 5 for r in told.ratings)
        assert victim(store) == before
        store.delete(user)
        import_user(store, once)
        again = store.told(user)
        assert replace(again.user, created="") == replace(told.user, created="")
        assert [vars(replace_id(r)) for r in again.ratings] == [vars(replace_id(r)) for r in told.ratings]
        assert again.digest() == told.digest()
        store.delete(user)
    assert store.ids() == ["victim"]
    assert victim(store) == before


def replace_id(rating):
    return replace(rating, id=0)


def any_text(store, text):
    """An id is a name of letters or refused; a profile comes back as it went in or is refused."""
    if said := refusal(lambda: check_id(text)):
        assert said.isprintable()
        assert store.get(text) is None
    else:
        assert text.isascii()
    if said := refusal(lambda: check_text(text, "the profile", PROFILE)):
        assert said.isprintable()
        assert refusal(lambda: store.describe("victim", profile=text)) == said
        return
    store.describe("victim", {"age": text[:200]}, text)
    assert (store.user("victim").profile, store.user("victim").demographics) == (text, {"age": text[:200]})
    store.describe("victim", {"age": "30-39"}, "warm light")


def as_json(value):
    return json.dumps(value).encode()


@QUICK
@given(FILES.map(as_json) | JSON.map(as_json) | st.binary(max_size=60))
def test_a_file_from_anywhere(store, tmp_path_factory, content):
    any_file(store, tmp_path_factory.getbasetemp() / "any.json", content)


@QUICK
@given(TEXTS | st.text(st.characters(categories=["L", "Nd"]), max_size=PROFILE + 10))
def test_a_text_from_anywhere(store, text):
    any_text(store, text)


@pytest.mark.slow
@LONG
@given(FILES.map(as_json) | JSON.map(as_json) | st.binary(max_size=2000))
def test_many_files(store, tmp_path_factory, content):
    any_file(store, tmp_path_factory.getbasetemp() / "any.json", content)


@pytest.mark.slow
@LONG
@given(st.text(alphabet=st.characters(), max_size=PROFILE + 10))
def test_many_texts(store, text):
    any_text(store, text)


@QUICK
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.floats(allow_nan=True)), max_size=5))
def test_scores_are_on_the_scale_or_nothing_is_kept(store, rows):
    good = all(1 <= s <= 5 for _, s in rows)
    store.add("me")
    said = refusal(lambda: store.rate_many("me", [(h, "", s) for h, s in rows]))
    assert bool(said) == (not good)
    assert {(r.picture, r.score) for r in store.ratings("me")} == (set(dict(rows).items()) if good else set())
    store.delete("me")
