"""What a server counts, for Prometheus. Nothing in it names a user."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from steer.server.queue import Queue

SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)


class Metrics:
    """One registry for each server, so that several in a process do not meet."""

    def __init__(self, queue: Queue):
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "steer_requests", "Answers, by route and status.", ["route", "status"], registry=registry
        )
        self.runs = Counter("steer_runs", "Runs that ended, by how.", ["state"], registry=registry)
        self.pictures = Counter("steer_pictures", "Pictures drawn.", registry=registry)
        self.ratings = Counter("steer_ratings", "Ratings kept.", registry=registry)
        self.seconds = Histogram("steer_run_seconds", "Seconds that runs took.", registry=registry, buckets=SECONDS)
        self.waited = Histogram("steer_wait_seconds", "Seconds until a run began.", registry=registry, buckets=SECONDS)
        waiting = Gauge("steer_waiting", "Runs that wait.", registry=registry)
        waiting.set_function(lambda: queue.waiting)
        running = Gauge("steer_running", "Runs under way.", registry=registry)
        running.set_function(lambda: queue.running is not None)

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self.registry)
