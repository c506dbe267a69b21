# Two images from one file:
#   post  the broker, fusion and maps of a command post: no torch, no OpenCV
#   edge  the detector besides, for a device or the demo world
# PIP_ARGS goes to pip: `--build-arg PIP_ARGS="--extra-index-url …"` picks the CPU build of torch.
FROM python:3.11-slim AS base
ENV PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
ARG PIP_ARGS=""
RUN useradd --uid 10001 --create-home tuanbien \
 && install -d -o tuanbien -g tuanbien \
      /var/lib/tuanbien/broker /var/lib/tuanbien/journal /var/lib/tuanbien/sector /var/lib/tuanbien/cache \
      /var/lib/tuanbien/evidence
ENV TUANBIEN_CACHE=/var/lib/tuanbien/cache
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY edge edge
COPY fusion fusion
COPY maps maps

# The engine compiled to C (setup.py): a compiler is needed here, and stays behind here.
FROM base AS compiled
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev
COPY setup.py ./
RUN pip install ${PIP_ARGS} -c constraints.txt '.[fusion,maps]' mypy 'setuptools>=80'
RUN TUANBIEN_COMPILED=1 pip wheel --no-deps --no-build-isolation -w /wheel .

FROM base AS post
COPY --from=compiled /wheel /wheel
RUN pip install ${PIP_ARGS} -c constraints.txt "$(echo /wheel/*.whl)[fusion,maps]"
WORKDIR /var/lib/tuanbien
RUN python -m maps.assets
USER tuanbien
ENTRYPOINT ["tuanbien"]

FROM base AS edge
RUN pip install ${PIP_ARGS} -c constraints.txt '.[edge,fusion,maps]'
WORKDIR /var/lib/tuanbien
USER tuanbien
RUN tuanbien edge weights
ENTRYPOINT ["tuanbien"]
