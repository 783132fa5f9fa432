# steer for a machine with an NVIDIA card (driver 580 or newer) and its container toolkit:
#   docker build --tag steer .
#   docker run --rm --gpus all --volume steer:/home/steer --volume "$PWD/outputs:/work/outputs" \
#     steer run "a castle" --user average --config flux2-klein
# The volume `steer` keeps models, users and settings. For a CPU: --build-arg TORCH=cpu, and no --gpus.
ARG BASE=debian:trixie-slim
FROM ${BASE}
ARG TORCH=locked
ARG WITH=page
# hadolint ignore=DL3008  # Debian's own security updates are wanted
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/steer
COPY . .
# as root, so that who runs steer cannot change it
RUN UV_NO_CACHE=1 PIP_NO_CACHE_DIR=1 sh scripts/setup.sh "${WITH}" --torch "${TORCH}" \
 && .venv/bin/python -m compileall -q steer reward_models \
 && useradd --create-home --uid 1000 steer \
 && install --directory --owner steer /work /work/outputs
ENV PATH=/opt/steer/.venv/bin:$PATH NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 1000
WORKDIR /work
VOLUME /home/steer
ENTRYPOINT ["steer"]
