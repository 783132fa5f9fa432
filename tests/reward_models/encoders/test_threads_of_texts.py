"""Texts are read from several threads at once, as a batch does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor


def test_counting_tokens_beside_reading_texts_changes_nothing(siglip):
    texts = ["a fox", "a castle at night by the sea", "ink", "a lighthouse in fog"]
    alone = siglip.texts(texts)
    with ThreadPoolExecutor(6) as pool:
        counts = [pool.submit(siglip.count_tokens, texts[i % 4]) for i in range(400)]
        read = [pool.submit(siglip.texts, texts) for _ in range(60)]
        assert all(r.result().equal(alone) for r in read)
        assert len({c.result() for c in counts}) > 1
