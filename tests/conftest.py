"""What all tests share: no hub, a users' store of their own, one thread each."""

from __future__ import annotations

import os
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing in the tests may reach a hub
os.environ["STEER_USERS"] = os.path.join(tempfile.mkdtemp(prefix="steer-users-"), "users.db")  # nor one's own users
os.environ["REWARD_MODELS_CACHE"] = tempfile.mkdtemp(prefix="reward-models-")
if "PYTEST_XDIST_WORKER" in os.environ:  # several at once: threads of each would wait for the others'
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

collect_ignore = ["toys"]  # packages of others, which a test puts onto the path itself
